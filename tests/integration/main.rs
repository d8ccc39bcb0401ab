//! Tests of the library from outside.

mod assurance;
mod check;
mod commands;
mod corpus;
mod corpus_grub;
mod grub;
mod grub_devices;
mod grub_menus;
mod grub_script;
mod hostile;
mod kernels;
mod layering;
mod menus;
mod menus_shown;
mod oracles;
mod purgatory;
mod source;
mod supply;
mod tpm;
mod turnout_conf;
mod units;
