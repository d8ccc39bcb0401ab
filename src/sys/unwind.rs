//! No walk up the stack, in a binary that aborts at a panic.
//!
//! A panic ends in the hook of [`super::panic`], which says where it was and
//! resets the machine; on a running system in one line on standard error. The
//! standard library's own hook would print a backtrace, and brings an unwinder
//! and a reader of debug information for it: 265 KiB that could never say
//! anything, as the release binary carries neither unwinding tables nor symbols.
//! What is here stands in for that unwinder (libunwind), so that the linker
//! leaves it and everything behind it out.
//!
//! Names and meaning: Itanium C++ ABI, Exception Handling, sections 1.3 to 1.6.

use core::ffi::{c_int, c_void};

/// `_URC_END_OF_STACK`, section 1.2.1.
const END_OF_STACK: c_int = 5;

/// Looks at no frame.
// SAFETY: no other definition is linked, and it reads neither argument.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Backtrace(_trace: *const c_void, _argument: *mut c_void) -> c_int {
    END_OF_STACK
}

/// What only code that is being unwound would call.
macro_rules! never_called {
    ($($name:ident)*) => {$(
        // SAFETY: no other definition is linked, and it reads no argument.
        #[unsafe(no_mangle)]
        extern "C" fn $name() -> ! {
            std::process::abort()
        }
    )*};
}

never_called! {
    _Unwind_Resume
    _Unwind_GetLanguageSpecificData
    _Unwind_GetRegionStart
    _Unwind_GetIPInfo
    _Unwind_GetTextRelBase
    _Unwind_GetDataRelBase
    _Unwind_SetGR
    _Unwind_SetIP
}
