//! What every run leaves to the long run on one of the architectures.
//!
//! A case belongs here if what it shows is decided by code that knows no architecture, and
//! a run on the other one shows it each time; or if every run shows the same in a case that
//! takes less. What differs between the architectures, as purgatories, processors'
//! levels, firmware and descriptions of the machine do, stays in every run on both.

/// As `ARCH/name`.
const LEFT: &[&str] = &[
    // Menus, entries and what somebody types.
    "aarch64/ctrl_alt_del_and_sysrq",
    "aarch64/debian_with_boot_apart_locked",
    "aarch64/default_prepared_while_the_menu_waits",
    "aarch64/default_that_turns_out_bad_gives_way_and_others_are_marked_while_the_menu_waits",
    "aarch64/interrupt_and_quit_keys",
    "aarch64/menu_of_another_boot_program",
    "aarch64/open_image_asks_when_nothing_boots",
    "aarch64/options_edited_in_the_menu",
    "aarch64/recovery_entry_when_nothing_else_boots",
    "aarch64/signals_to_pid_1",
    "aarch64/tampered_default_gives_way_to_the_next_entry",
    "x86_64/another_entry_chosen_than_the_one_that_is_prepared",
    "x86_64/default_unpacked_while_the_menu_waits",
    "x86_64/edited_command_line_in_an_open_image",
    "x86_64/next_entry_is_used_once",
    "x86_64/noise_on_the_line",
    "x86_64/open_image_boots_what_nobody_signed",
    "x86_64/panic_while_an_entry_is_prepared",
    "x86_64/recovery_entry_when_somebody_chooses_it",
    "x86_64/two_small_files_of_a_menu_in_512_mib",
    // Disks, partitions and file systems.
    "aarch64/boot_partition_with_xfs",
    "aarch64/disk_that_lies_or_fails_and_paths_that_are_no_files",
    "aarch64/empty_partition",
    "aarch64/missing_partition",
    "x86_64/disk_that_answers_differently_the_second_time",
    "x86_64/partition_found_by_its_label",
    // Trust, floors, defaults and counters.
    "aarch64/nothing_that_was_not_signed_so_by_enough_keys_for_this_machine_and_purpose",
    "aarch64/pid_1_executes_nothing_and_opens_each_file_once",
    "x86_64/floor_of_a_state_area",
    "x86_64/floor_of_a_tpm",
    "x86_64/newer_ring_and_newer_policy_are_taken",
    "x86_64/old_copy_of_boot_and_state_under_a_tpm",
    "x86_64/recovery_key_stays_revoked_when_the_policy_is_deleted",
    "x86_64/ring_and_policy_that_their_keys_did_not_sign_change_nothing",
    "x86_64/signed_by_two_keys_for_this_board_with_its_slots_filled",
    "x86_64/stale_default_and_a_one_shot_that_is_consumed_before_it_fails",
    "x86_64/tpm_optional_and_none_there",
    "x86_64/tpm_required_and_none_there",
    // Hangs and ends, of which every run has shorter ones.
    "aarch64/a_start_that_hangs_without_a_person_is_reset_at_its_limit",
    "aarch64/memory_that_comes_to_its_end",
    "x86_64/a_watchdog_from_the_start_resets_what_hangs_and_no_menu_that_waits",
    "x86_64/armed_watchdog_resets_what_hangs",
    "x86_64/boot_counters_in_names_are_counted_and_no_file_is_renamed",
    "x86_64/power_fails_where_nobody_flushes",
    // Kernels, images and commands in more forms and sizes.
    "aarch64/a_chain_of_eight",
    "aarch64/command_refusals",
    "aarch64/crash_kernel_without_memory_for_it",
    "aarch64/from_linux_6_1_to_6_12",
    "aarch64/good_entry_by_the_readme",
    "aarch64/initrds_of_70_mib_and_a_log_in_256_mib",
    "aarch64/initramfs_in_xz_with_branches",
    "aarch64/kernel_in_xz",
    "aarch64/kernel_in_zstd",
    "aarch64/measured_with_the_sections_of_a_uki",
    "aarch64/uki_as_an_entry",
    "aarch64/uki_by_command",
    "x86_64/five_level_paging_by_kexec_file_load",
    "x86_64/four_level_paging_by_kexec_file_load",
    "x86_64/from_linux_6_12_to_6_1",
    "x86_64/from_linux_6_12_to_6_12",
    "x86_64/good_entry_by_the_readme",
    "x86_64/initramfs_in_gzip",
    "x86_64/initramfs_in_xz",
    "x86_64/kernel_in_gzip",
    "x86_64/ovmf_by_kexec_file_load",
    "x86_64/purgatory_hashes_by_sha_ni",
    "x86_64/purgatory_hashes_without_sha_ni",
    "x86_64/secure_boot_with_a_key_of_ones_own",
    "x86_64/six_gib_by_kexec_file_load",
    "x86_64/uki_in_its_directory_boots_whole_by_profile_and_with_the_signed_addon_only",
    "x86_64/vmlinux_without_a_random_address",
];

/// Whether every run leaves this case to the long run here.
pub(crate) fn is_left(name: &str) -> bool {
    LEFT.contains(&name)
}

/// What is written here and is the name of no case.
pub(crate) fn unknown(is_known: impl Fn(&str) -> bool) -> Vec<&'static str> {
    LEFT.iter().copied().filter(|name| !is_known(name)).collect()
}
