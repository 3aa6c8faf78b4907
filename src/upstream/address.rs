//! Addresses as they are written, and as they were read: a deployment calls the same few for as long as it lives.

use std::sync::OnceLock;

use url::Url;

use super::failure::{SendError, SendFailure};

/// How many addresses are remembered: an operation whole and streamed, and then some.
const MOST: usize = 4;

/// The addresses that one deployment calls. Reading a URL costs more than signing a request for it.
#[derive(Debug, Default)]
pub struct Addresses([OnceLock<(String, Url)>; MOST]);

impl Addresses {
    /// Reads an address, or remembers it.
    ///
    /// # Errors
    ///
    /// [`SendFailure::Address`]: it is no http or https URL.
    pub fn read(&self, text: &str) -> Result<Url, SendError> {
        for place in &self.0 {
            let Some((known, url)) = place.get() else {
                let url = read(text)?;
                // Another call may have been faster, with this address or another.
                let _full = place.set((text.to_owned(), url.clone()));
                return Ok(url);
            };
            if known == text {
                return Ok(url.clone());
            }
        }
        read(text)
    }
}

/// Reads an address.
pub(super) fn read(text: &str) -> Result<Url, SendError> {
    let url = Url::parse(text).map_err(|error| SendError::because(SendFailure::Address, error))?;
    if matches!(url.scheme(), "http" | "https") {
        Ok(url)
    } else {
        Err(SendError::new(SendFailure::Address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_read_as_it_is_written_however_many_there_were() {
        let addresses = Addresses::default();
        for _ in 0..2 {
            for number in 0..2 * MOST {
                let text = format!("https://host.example/model/{number}%3A0/converse");
                assert_eq!(addresses.read(&text).unwrap().as_str(), text);
            }
        }
        assert!(addresses.0.iter().all(|place| place.get().is_some()));
    }

    #[test]
    fn what_is_no_address_is_not_remembered() {
        let addresses = Addresses::default();
        for text in ["", "host/path", "ftp://host/"] {
            let error = addresses.read(text).unwrap_err();
            assert_eq!(error.failure(), SendFailure::Address, "{text}");
        }
        assert!(addresses.0.iter().all(|place| place.get().is_none()));
    }
}
