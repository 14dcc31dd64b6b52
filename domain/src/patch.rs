//! A change of one field, as a caller asks for it and as an event keeps it.

use serde::{Deserialize, Deserializer};

/// One field of a change: left alone, cleared, or given a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    #[default]
    Keep,
    Clear,
    Set(T),
}

impl<T: Clone + PartialEq> Patch<T> {
    /// The change against the present value; `None` when there is none.
    pub(crate) fn against(&self, present: Option<&T>) -> Option<Option<T>> {
        match self {
            Self::Keep => None,
            Self::Clear => present.is_some().then_some(None),
            Self::Set(value) => (present != Some(value)).then(|| Some(value.clone())),
        }
    }
}

/// Tells a null member (cleared) from a missing one (unchanged).
pub(crate) fn present<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}
