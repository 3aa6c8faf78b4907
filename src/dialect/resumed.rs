//! What a client is told of a stream that broke and continued elsewhere.

use super::number::number;
use crate::canonical::write_escaped;

/// Appends the member `switchyard`, behind a comma: how often the stream continued, and the ids of its deployments.
pub(super) fn write_resumed(times: u32, deployments: &[String], out: &mut Vec<u8>) {
    number(out, r#","switchyard":{"resumed":"#, times);
    out.extend_from_slice(br#","deployments":["#);
    for (place, id) in deployments.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write_escaped(id, out);
    }
    out.extend_from_slice(b"]}");
}
