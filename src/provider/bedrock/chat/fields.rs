//! `additionalModelRequestFields`: members that only the model understands, gathered from several places.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::canonical::{ObjectWriter, RawJson, write_escaped};

/// Members in the order in which they came; a caller may send very many.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    members: Vec<(String, RawJson)>,
    places: HashMap<String, usize>,
}

impl Fields {
    /// Says whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Returns a member.
    pub(crate) fn get(&self, name: &str) -> Option<&RawJson> {
        let place = self.places.get(name)?;
        self.members.get(*place).map(|(_, value)| value)
    }

    /// Sets a member, whatever it was.
    pub(crate) fn set(&mut self, name: &str, value: RawJson) {
        let place = self.places.get(name).copied();
        if let Some((_, old)) = place.and_then(|place| self.members.get_mut(place)) {
            *old = value;
        } else {
            self.places.insert(name.to_owned(), self.members.len());
            self.members.push((name.to_owned(), value));
        }
    }

    /// Sets a member to a small value.
    pub(crate) fn set_value(&mut self, name: &str, value: &Value) {
        self.set(name, RawJson::from_value(value));
    }

    /// Appends elements to a list, leaving out those it has already.
    pub(crate) fn append(&mut self, name: &str, elements: Vec<Value>) {
        if elements.is_empty() {
            return;
        }
        let mut list = match self.get(name).map(RawJson::to_value) {
            Some(Value::Array(list)) => list,
            Some(Value::Null) | None => Vec::new(),
            Some(single) => vec![single],
        };
        let mut known: HashSet<Value> = list.iter().cloned().collect();
        for element in elements {
            if known.insert(element.clone()) {
                list.push(element);
            }
        }
        self.set_value(name, &Value::Array(list));
    }

    /// Lays the caller's own members over these; lists of tools and betas are joined.
    pub(crate) fn merge(&mut self, given: &RawJson) {
        let Ok(members) = given.parse::<Self>() else {
            return;
        };
        for (name, value) in members.members {
            let is_joined = matches!(name.as_str(), "tools" | "anthropic_beta");
            match is_joined.then(|| value.to_value()) {
                Some(Value::Array(list)) => self.append(&name, list),
                _ => self.set(&name, value),
            }
        }
    }

    /// Appends each member as `,"name":value`, but for one that stands there already.
    pub(crate) fn write_after(&self, first: &str, out: &mut Vec<u8>) {
        for (name, value) in self.members.iter().filter(|(name, _)| name != first) {
            out.push(b',');
            write_escaped(name, out);
            out.push(b':');
            out.extend_from_slice(value.bytes());
        }
    }

    /// Appends the members as a JSON object.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut object = ObjectWriter::open(out);
        for (name, value) in &self.members {
            object.member(name).extend_from_slice(value.bytes());
        }
        object.close();
    }
}

/// The members of an object, as they are written; of two with one name the later counts.
impl<'de> serde::Deserialize<'de> for Fields {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Fields;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Self::Value, A::Error> {
                let mut fields = Fields::default();
                while let Some((name, value)) = map.next_entry::<String, _>()? {
                    fields.set(&name, value);
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn written(fields: &Fields) -> Value {
        let mut out = Vec::new();
        fields.write(&mut out);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn callers_members_win_and_lists_are_joined() {
        let mut fields = Fields::default();
        fields.set_value("top_k", &json!(3));
        fields.append("anthropic_beta", vec![json!("a"), json!("b")]);
        fields.merge(&RawJson::from_value(&json!({
            "top_k": 9, "anthropic_beta": ["b", "c"], "deep": {"x": 1.0}
        })));
        assert_eq!(
            written(&fields),
            json!({"top_k": 9, "anthropic_beta": ["a", "b", "c"], "deep": {"x": 1.0}})
        );
    }
}
