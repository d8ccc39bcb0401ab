//! What a bundle boots with besides its files: the sections of a unified kernel
//! image and of its addons (UAPI.5).
//!
//! Nothing of an image that cannot be read is left out: a bundle that names a
//! profile or an addon boots with exactly that or not at all.

use crate::bundle::{Blob, Bundle};
use crate::image::{self, Addon, Whole, find_uki, open_uki};

use super::Error;

/// The unified kernel image that the bundle's kernel is, with the addons; `None`
/// if it is none and does not have to be.
pub(super) fn whole<B: AsRef<[u8]>>(bundle: &Bundle<B>) -> Result<Option<Whole<'_>>, Error> {
    let file = bundle.linux.bytes.as_ref();
    let uki = match bundle.profile {
        Some(profile) => open_uki(file, profile).map_err(|error| wrong(&bundle.linux, error))?,
        None => match find_uki(file) {
            Some(uki) => uki,
            None => return Ok(None),
        },
    };
    let arch = uki.arch();
    let addons = bundle
        .addons
        .iter()
        .map(|blob| Addon::parse(blob.bytes.as_ref(), arch).map_err(|error| wrong(blob, error)));
    let addons = addons.collect::<Result<_, _>>()?;
    Ok(Some(Whole { uki, addons }))
}

/// The command line that the next kernel gets: that of the bundle or, where a
/// unified kernel image boots with its own, that one and its addons'.
///
/// # Errors
/// A unified kernel image or an addon that cannot be read.
pub fn cmdline<B: AsRef<[u8]>>(bundle: &Bundle<B>) -> Result<String, Error> {
    if bundle.profile.is_none() || !bundle.options.is_empty() {
        return Ok(bundle.options.clone());
    }
    Ok(whole(bundle)?.map(|whole| whole.cmdline()).unwrap_or_default())
}

fn wrong<B>(blob: &Blob<B>, error: image::UkiError) -> Error {
    Error::Uki { path: blob.path.clone(), error }
}
