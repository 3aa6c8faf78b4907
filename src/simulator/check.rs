//! Walks a request along a table of `shape.rs`.
//!
//! A value of the wrong type, an unknown member and a union without exactly one member end the walk at once: Bedrock
//! cannot read such a body. Broken limits are collected and reported together, as AWS does.

use std::fmt::Write as _;

use super::error::AwsError;
use super::json::Node;
use super::shape::{Member, Shape};

/// How many broken limits one message lists.
const MAX_VIOLATIONS: usize = 10;

/// Checks a request against the shape of its operation.
pub(super) fn check(root: &Node<'_>, shape: &'static Shape) -> Result<(), AwsError> {
    let mut walk = Walk {
        path: Vec::new(),
        violations: Vec::new(),
    };
    walk.value(root, shape)?;
    match walk.violations.len() {
        0 => Ok(()),
        1 => Err(AwsError::validation(format!(
            "1 validation error detected: {}",
            walk.violations.join("; ")
        ))),
        count => Err(AwsError::validation(format!(
            "{count} validation errors detected: {}",
            walk.violations.join("; ")
        ))),
    }
}

#[derive(Clone, Copy)]
enum Segment<'p> {
    Name(&'p str),
    Index(usize),
}

struct Walk<'p> {
    path: Vec<Segment<'p>>,
    violations: Vec<String>,
}

impl<'p> Walk<'p> {
    fn value(&mut self, node: &'p Node<'_>, shape: &'static Shape) -> Result<(), AwsError> {
        match (shape, node) {
            (Shape::Any, _) | (Shape::Object, Node::Object(_)) | (Shape::Flag, Node::Flag(_)) => {
                Ok(())
            }
            (Shape::Object, _) => Err(AwsError::validation(format!(
                "The format of the value at {} is invalid. Provide a json object for the field and try again.",
                self.dotted()
            ))),
            (Shape::Integer { min }, Node::Number(number)) if !number.is_f64() => {
                self.integer(number.as_u64(), *min);
                Ok(())
            }
            (Shape::Decimal { min, max }, Node::Number(number)) => {
                self.decimal(number.as_f64().unwrap_or(f64::INFINITY), *min, *max);
                Ok(())
            }
            (Shape::Text { min, max, pattern }, Node::Text(text)) => {
                self.length(text.chars().count(), *min, *max);
                if let Some(pattern) = pattern.filter(|pattern| !(pattern.matches)(text)) {
                    self.violation(&format!(
                        "Member must satisfy regular expression pattern: {}",
                        pattern.text
                    ));
                }
                Ok(())
            }
            (Shape::Choice(choices), Node::Text(text)) => {
                if !choices.contains(&text.as_ref()) {
                    self.violation_of(
                        text,
                        &format!(
                            "Member must satisfy enum value set: [{}]",
                            choices.join(", ")
                        ),
                    );
                }
                Ok(())
            }
            (Shape::Blob { min }, Node::Text(text)) => self.blob(text, *min),
            (Shape::List { item, min, max }, Node::List(items)) => {
                self.list(items, item, *min, *max)
            }
            (Shape::Map { key, value, max }, Node::Object(_)) => self.map(node, key, value, *max),
            (Shape::Structure(members), Node::Object(_)) => self.structure(node, members),
            (Shape::Union(members), Node::Object(_)) => self.union(node, members),
            _ => Err(self.malformed(&format!(
                "expected type: {}, found: {}",
                expected(shape),
                node.type_name()
            ))),
        }
    }

    fn integer(&mut self, number: Option<u64>, min: u64) {
        if number.is_none_or(|number| number < min) {
            self.violation(&format!(
                "Member must have value greater than or equal to {min}"
            ));
        } else if number.is_some_and(|number| i32::try_from(number).is_err()) {
            self.violation(&format!(
                "Member must have value less than or equal to {}",
                i32::MAX
            ));
        }
    }

    fn decimal(&mut self, number: f64, min: f64, max: f64) {
        if number < min {
            self.violation(&format!(
                "Member must have value greater than or equal to {min}"
            ));
        } else if number > max {
            self.violation(&format!(
                "Member must have value less than or equal to {max}"
            ));
        }
    }

    fn length(&mut self, length: usize, min: usize, max: usize) {
        if length < min {
            self.violation(&format!(
                "Member must have length greater than or equal to {min}"
            ));
        } else if length > max {
            self.violation(&format!(
                "Member must have length less than or equal to {max}"
            ));
        }
    }

    fn blob(&mut self, text: &str, min: usize) -> Result<(), AwsError> {
        let Some(length) = decoded_len(text) else {
            return Err(self.malformed("expected type: base64, found: String"));
        };
        self.length(length, min, usize::MAX);
        Ok(())
    }

    fn list(
        &mut self,
        items: &'p [Node<'_>],
        item: &'static Shape,
        min: usize,
        max: usize,
    ) -> Result<(), AwsError> {
        self.length(items.len(), min, max);
        for (index, node) in items.iter().enumerate() {
            self.inside(Segment::Index(index), |walk| walk.value(node, item))?;
        }
        Ok(())
    }

    fn map(
        &mut self,
        node: &'p Node<'_>,
        key: &'static Shape,
        value: &'static Shape,
        max: usize,
    ) -> Result<(), AwsError> {
        self.length(node.members().len(), 0, max);
        for (name, node) in node.members() {
            self.inside(Segment::Name(name), |walk| {
                if let Shape::Text { min, max, pattern } = key {
                    walk.length(name.chars().count(), *min, *max);
                    if let Some(pattern) = pattern.filter(|pattern| !(pattern.matches)(name)) {
                        walk.violation(&format!(
                            "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: {}]",
                            pattern.text
                        ));
                    }
                }
                walk.value(node, value)
            })?;
        }
        Ok(())
    }

    fn structure(
        &mut self,
        node: &'p Node<'_>,
        members: &'static [Member],
    ) -> Result<(), AwsError> {
        for (name, value) in node.members() {
            let Some(member) = members.iter().find(|member| member.name == name) else {
                return Err(self.malformed(&format!("extraneous key [{name}] is not permitted")));
            };
            if !matches!(value, Node::Null) {
                self.inside(Segment::Name(name), |walk| walk.value(value, member.shape))?;
            }
        }
        for member in members
            .iter()
            .filter(|member| member.required && !node.has(member.name))
        {
            self.inside(Segment::Name(member.name), |walk| {
                walk.violation("Member must not be null");
                Ok(())
            })?;
        }
        Ok(())
    }

    fn union(&mut self, node: &'p Node<'_>, members: &'static [Member]) -> Result<(), AwsError> {
        self.structure(node, members)?;
        let set = members
            .iter()
            .filter(|member| node.has(member.name))
            .count();
        if set == 1 {
            return Ok(());
        }
        let names: Vec<&str> = members.iter().map(|member| member.name).collect();
        Err(AwsError::validation(format!(
            "The object at {} must set exactly one of the following keys: {}. It sets {set}.",
            self.dotted(),
            names.join(", ")
        )))
    }

    fn inside(
        &mut self,
        segment: Segment<'p>,
        check: impl FnOnce(&mut Self) -> Result<(), AwsError>,
    ) -> Result<(), AwsError> {
        self.path.push(segment);
        let result = check(self);
        self.path.pop();
        result
    }

    fn violation(&mut self, rule: &str) {
        if self.violations.len() < MAX_VIOLATIONS {
            let path = self.member_path();
            self.violations.push(format!(
                "Value at '{path}' failed to satisfy constraint: {rule}"
            ));
        }
    }

    fn violation_of(&mut self, value: &str, rule: &str) {
        if self.violations.len() < MAX_VIOLATIONS {
            let path = self.member_path();
            self.violations.push(format!(
                "Value '{value}' at '{path}' failed to satisfy constraint: {rule}"
            ));
        }
    }

    fn malformed(&self, what: &str) -> AwsError {
        let mut path = String::from("#");
        for segment in &self.path {
            // Writing to a string cannot fail.
            let _infallible = match segment {
                Segment::Name(name) => write!(path, "/{name}"),
                Segment::Index(index) => write!(path, "/{index}"),
            };
        }
        AwsError::validation(format!(
            "Malformed input request: {path}: {what}, please reformat your input and try again."
        ))
    }

    /// Writes `messages.0.content`, as Bedrock's own rules name a place.
    fn dotted(&self) -> String {
        let segments: Vec<String> = self
            .path
            .iter()
            .map(|segment| match segment {
                Segment::Name(name) => (*name).to_owned(),
                Segment::Index(index) => index.to_string(),
            })
            .collect();
        segments.join(".")
    }

    /// Writes `messages.1.member.content`, as AWS's generated checks name the same place.
    fn member_path(&self) -> String {
        let segments: Vec<String> = self
            .path
            .iter()
            .map(|segment| match segment {
                Segment::Name(name) => (*name).to_owned(),
                Segment::Index(index) => format!("{}.member", index + 1),
            })
            .collect();
        segments.join(".")
    }
}

fn expected(shape: &Shape) -> &'static str {
    match shape {
        Shape::Any => "any",
        Shape::Object | Shape::Map { .. } | Shape::Structure(_) | Shape::Union(_) => "JSONObject",
        Shape::Flag => "Boolean",
        Shape::Integer { .. } => "Integer",
        Shape::Decimal { .. } => "Number",
        Shape::Text { .. } | Shape::Choice(_) | Shape::Blob { .. } => "String",
        Shape::List { .. } => "JSONArray",
    }
}

/// Returns how many bytes a base64 text stands for, or `None` where it is not base64.
pub(super) fn decoded_len(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let padding = bytes.iter().rev().take_while(|byte| **byte == b'=').count();
    let digits = bytes.get(..bytes.len() - padding)?;
    let valid = padding <= 2
        && bytes.len().is_multiple_of(4)
        && digits
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    valid.then_some(bytes.len() / 4 * 3 - padding)
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
