//! OpenAI's chat completions.

mod parse;
mod parse_choice;
mod parse_controls;
mod parse_headers;
mod parse_media;
mod parse_message;
mod parse_params;
mod parse_part;
mod read;

pub use parse::parse;
pub use parse_params::params;
