//! Reasoning as the client keeps it for the next turn (`encrypted_content`).
//!
//! A model that signs its reasoning wants to see it again, word for word, with the results of the tools that it called.
//! What it needs is packed into one word: nothing is kept here, and nothing in it is secret from the client, who has the
//! text anyway. A forged one fails with the model, which checks its own signature.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::canonical::{ObjectWriter, Text, Thinking};

/// What ours begin with: others are of another gateway or OpenAI, and mean nothing here.
const PREFIX: &str = "swy1.";

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
struct Written {
    thinking: Option<Text>,
    signature: Option<Text>,
    redacted: Option<Text>,
}

/// Packs reasoning.
pub(super) fn pack<'t>(thoughts: impl IntoIterator<Item = &'t Thinking>) -> String {
    let mut json = vec![b'['];
    for thought in thoughts {
        if json.len() > 1 {
            json.push(b',');
        }
        let mut object = ObjectWriter::open(&mut json);
        match thought {
            Thinking::Shown { text, signature } => {
                object.raw("thinking", text.raw());
                if let Some(signature) = signature {
                    object.raw("signature", signature.raw());
                }
            }
            Thinking::Redacted(data) => object.raw("redacted", data.raw()),
        }
        object.close();
    }
    json.push(b']');
    let mut out = PREFIX.to_owned();
    URL_SAFE_NO_PAD.encode_string(json, &mut out);
    out
}

/// Says whether reasoning was packed here.
pub(super) fn is_ours(packed: &str) -> bool {
    packed.starts_with(PREFIX)
}

/// Unpacks reasoning; `None` for what is not ours.
pub(super) fn unpack(packed: &str) -> Option<Vec<Thinking>> {
    let json = URL_SAFE_NO_PAD.decode(packed.strip_prefix(PREFIX)?).ok()?;
    let written: Vec<Written> = serde_json::from_slice(&json).ok()?;
    let thoughts = written.into_iter().map(|written| match written {
        Written {
            redacted: Some(data),
            ..
        } => Some(Thinking::Redacted(data)),
        Written {
            thinking: Some(text),
            signature,
            ..
        } => Some(Thinking::Shown { text, signature }),
        _ => None,
    });
    thoughts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasoning_comes_back_as_it_was() {
        let thoughts = [
            Thinking::Shown {
                text: Text::new("hm \"x\"\n"),
                signature: Some(Text::new("c2ln")),
            },
            Thinking::Redacted(Text::new("abc=")),
            Thinking::Shown {
                text: Text::new(""),
                signature: None,
            },
        ];
        let packed = pack(&thoughts);
        assert!(packed.bytes().all(|byte| byte.is_ascii_graphic()));
        let [
            Thinking::Shown {
                text,
                signature: Some(signature),
            },
            Thinking::Redacted(data),
            Thinking::Shown {
                text: empty,
                signature: None,
            },
        ] = &unpack(&packed).unwrap()[..]
        else {
            panic!("{packed}");
        };
        assert_eq!(
            (&*text.decoded(), &*signature.decoded()),
            ("hm \"x\"\n", "c2ln")
        );
        assert!(data.decoded() == "abc=" && empty.is_empty());
    }

    #[test]
    fn what_others_packed_is_left_alone() {
        for packed in [
            "",
            "gAAAAABo",
            "swy1.",
            "swy1.!!!",
            "swy1.e30",
            "swy1.W3t9XQ",
            "swy1.Wzdd",
        ] {
            assert!(unpack(packed).is_none(), "{packed}");
        }
    }
}
