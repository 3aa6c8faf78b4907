//! Calls of tools in a stream: several may be open together.

use super::item::{Call, Kind};
use super::stream::ResponseStream;
use crate::canonical::Text;

impl ResponseStream {
    fn call(&mut self, place: usize) -> Option<&mut Call> {
        match self.items.get_mut(place).map(|item| &mut item.kind) {
            Some(Kind::Call(call)) => Some(call),
            _ => None,
        }
    }

    /// Begins a call.
    pub(super) fn tool_start(&mut self, index: u32, id: &Text, name: &Text, out: &mut Vec<u8>) {
        let call = Call::new(id, name, &self.asked);
        let place = self.push(Kind::Call(call), out);
        self.calls.push((index, place));
    }

    /// Writes a piece of its arguments.
    pub(super) fn tool_input(&mut self, index: u32, fragment: &Text, out: &mut Vec<u8>) {
        let mut open = self.calls.iter().rev();
        let Some((_, place)) = open.find(|(call, _)| *call == index).copied() else {
            return;
        };
        if fragment.is_empty() {
            return;
        }
        let Some(call) = self.call(place) else { return };
        call.arguments
            .extend_from_slice(fragment.escaped().as_bytes());
        // Plain text inside JSON is told when it is whole.
        if !call.tool.is_custom {
            let mut event = self.event_of("response.function_call_arguments.delta", place, out);
            event.raw("delta", fragment.raw());
            event.close();
        }
    }

    /// Ends the calls whose arguments are whole.
    pub(super) fn close_whole_calls(&mut self, out: &mut Vec<u8>) {
        let calls = std::mem::take(&mut self.calls);
        for (index, place) in calls {
            if self.call(place).is_some_and(|call| call.is_whole()) {
                self.close_call(place, out);
            } else {
                self.calls.push((index, place));
            }
        }
    }

    /// Ends a call.
    pub(super) fn close_call(&mut self, place: usize, out: &mut Vec<u8>) {
        let Some(call) = self.call(place) else { return };
        if call.tool.is_custom {
            let input = call.input();
            for (kind, member) in [("delta", "delta"), ("done", "input")] {
                let kind = format!("response.custom_tool_call_input.{kind}");
                let mut event = self.event_of(&kind, place, out);
                event.raw(member, input.raw());
                event.close();
            }
        } else {
            // A call without arguments is one with none; clients put them together from the pieces.
            let is_bare = call.arguments.is_empty();
            if is_bare {
                call.arguments.extend_from_slice(b"{}");
            }
            let (arguments, name) = (call.arguments.clone(), call.tool.name.clone());
            if is_bare {
                let mut event = self.event_of("response.function_call_arguments.delta", place, out);
                event.escaped("delta", &arguments);
                event.close();
            }
            let mut event = self.event_of("response.function_call_arguments.done", place, out);
            event.text("name", &name);
            event.escaped("arguments", &arguments);
            event.close();
        }
        self.end_item(place, out);
    }
}
