//! A setting that may hold a password or a key.

use std::fmt;

/// Shown in no message: `Debug` prints asterisks, [`Secret::masked`] keeps what
/// is not secret of a URL. Only [`Secret::reveal`] gives the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

const MASK: &str = "***";

impl Secret {
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// `smtp://user:secret@host?tls=required` becomes `smtp://***@host`, `mandrill://key` becomes `mandrill://***`.
    #[must_use]
    pub fn masked(&self) -> String {
        let Some((scheme, rest)) = self.0.split_once("://") else { return self.0.clone() };
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        match rest.rsplit_once('@') {
            Some((_, host)) => format!("{scheme}://{MASK}@{host}"),
            None if scheme == "mandrill" => format!("{scheme}://{MASK}"),
            None => format!("{scheme}://{rest}"),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_secret_is_shown() {
        let shown = |text: &str| Secret::new(text).masked();
        assert_eq!(shown("file"), "file");
        assert_eq!(shown("smtp://me:hush@mail.example:587?tls=required"), "smtp://***@mail.example:587");
        assert_eq!(shown("smtp://mail.example:25"), "smtp://mail.example:25");
        assert_eq!(shown("mandrill://hush"), "mandrill://***");
        assert_eq!(shown("mandrill://hush@127.0.0.1:9999"), "mandrill://***@127.0.0.1:9999");
        assert_eq!(format!("{:?}", Secret::new("smtp://me:hush@mail.example")), "***");
    }
}
