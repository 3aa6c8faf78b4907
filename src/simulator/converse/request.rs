//! A request whose shape has been checked, with the questions that rules and answers ask of it.

use super::super::json::Node;
use super::super::model_id::Model;
use super::Mode;

/// A Converse request and the model it is for.
pub(in crate::simulator) struct Request<'a> {
    pub(in crate::simulator) root: &'a Node<'a>,
    pub(in crate::simulator) model: &'a Model,
    pub(in crate::simulator) mode: Mode,
}

impl<'a> Request<'a> {
    pub(in crate::simulator) fn messages(&self) -> &'a [Node<'a>] {
        self.root.items_of("messages")
    }

    /// Returns every content block with its message's position, role and its own position.
    pub(in crate::simulator) fn blocks(&self) -> impl Iterator<Item = Block<'a>> {
        self.messages()
            .iter()
            .enumerate()
            .flat_map(|(message, node)| {
                let role = node.text_of("role").unwrap_or_default();
                node.items_of("content")
                    .iter()
                    .enumerate()
                    .map(move |(index, node)| Block {
                        message,
                        index,
                        role,
                        node,
                    })
            })
    }

    /// Returns the texts of the user, guarded ones included, in order.
    pub(in crate::simulator) fn user_texts(&self) -> impl Iterator<Item = &'a str> {
        self.blocks()
            .filter(|block| block.role == "user")
            .filter_map(|block| text_of(block.node))
    }

    /// Returns the tools that have a name and a schema.
    pub(in crate::simulator) fn tool_specs(&self) -> impl Iterator<Item = &'a Node<'a>> {
        self.tools().iter().filter_map(|tool| tool.get("toolSpec"))
    }

    pub(in crate::simulator) fn tools(&self) -> &'a [Node<'a>] {
        self.root
            .at(&["toolConfig", "tools"])
            .map_or(&[], Node::items)
    }

    /// Returns `auto`, `any` or `tool`, where the request chooses.
    pub(in crate::simulator) fn tool_choice(&self) -> Option<(&'a str, &'a Node<'a>)> {
        let choice = self.root.at(&["toolConfig", "toolChoice"])?;
        choice
            .members()
            .iter()
            .find(|(_, node)| !matches!(node, Node::Null))
            .map(|(name, node)| (name.as_ref(), node))
    }

    /// Whether the request makes the model call a tool.
    pub(in crate::simulator) fn forces_tool(&self) -> bool {
        self.tool_choice().is_some_and(|(kind, _)| kind != "auto")
    }

    /// Returns a member of `additionalModelRequestFields`.
    pub(in crate::simulator) fn extra(&self, name: &str) -> Option<&'a Node<'a>> {
        self.root.at(&["additionalModelRequestFields", name])
    }

    /// Returns a member of `inferenceConfig`.
    pub(in crate::simulator) fn inference(&self, name: &str) -> Option<&'a Node<'a>> {
        self.root.at(&["inferenceConfig", name])
    }

    /// Returns the type of the `thinking` that Claude is asked for, `disabled` where it is not.
    pub(in crate::simulator) fn thinking(&self) -> &'a str {
        self.extra("thinking")
            .and_then(|thinking| thinking.text_of("type"))
            .unwrap_or("disabled")
    }

    pub(in crate::simulator) fn last_message(&self) -> Option<&'a Node<'a>> {
        self.messages().last()
    }

    /// Returns the last message that is answered: a prefill stands behind it.
    pub(super) fn last_turn(&self) -> Option<&'a Node<'a>> {
        self.messages()
            .iter()
            .rev()
            .find(|message| message.text_of("role") != Some("assistant"))
    }

    /// Returns the text that the answer is to continue, where the conversation ends with the assistant.
    pub(super) fn prefill(&self) -> Option<String> {
        let last = self.last_message()?;
        if last.text_of("role") != Some("assistant") {
            return None;
        }
        Some(
            last.items_of("content")
                .iter()
                .filter_map(text_of)
                .collect(),
        )
    }
}

/// One content block and where it stands.
#[derive(Clone, Copy)]
pub(in crate::simulator) struct Block<'a> {
    pub(in crate::simulator) message: usize,
    pub(in crate::simulator) index: usize,
    pub(in crate::simulator) role: &'a str,
    pub(in crate::simulator) node: &'a Node<'a>,
}

impl<'a> Block<'a> {
    /// Writes `messages.0.content.1`.
    pub(in crate::simulator) fn place(&self) -> String {
        format!("messages.{}.content.{}", self.message, self.index)
    }

    /// Returns the block's one member.
    pub(in crate::simulator) fn kind(&self) -> (&'a str, &'a Node<'a>) {
        let set = self
            .node
            .members()
            .iter()
            .find(|(_, value)| !matches!(value, Node::Null));
        set.map_or(("", &Node::Null), |(name, value)| (name.as_ref(), value))
    }
}

/// Returns the text of a text block or a guarded text block.
pub(in crate::simulator) fn text_of<'a>(block: &'a Node<'a>) -> Option<&'a str> {
    block.text_of("text").or_else(|| {
        block
            .at(&["guardContent", "text", "text"])
            .and_then(Node::text)
    })
}
