//! The table itself: `models.csv`, compiled in and read once.
//!
//! Only the columns that somebody asks for are kept. Columns are found by their names in the first line, so that a newer
//! file with more of them needs no change here.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use csv_core::{ReadFieldResult, Reader};

use super::stem::claude_stem;
use super::{CatalogProvider, Facts, Flag, Mode};

/// The table, read when it is first used.
pub(super) static TABLE: LazyLock<Table> =
    LazyLock::new(|| Table::read(include_str!("models.csv")));

/// Rows by key.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: BTreeMap<String, Arc<Facts>>,
    /// The newest row of each Claude stem.
    stems: HashMap<String, Arc<Facts>>,
}

impl Table {
    /// Returns the row of a key.
    pub(super) fn row(&self, key: &str) -> Option<&Arc<Facts>> {
        self.rows.get(key)
    }

    /// Returns the newest row with the same stem as a Claude id.
    pub(super) fn same_stem(&self, id: &str) -> Option<&Arc<Facts>> {
        self.stems.get(claude_stem(id)?)
    }

    /// Returns every key, sorted.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.rows.keys().map(String::as_str)
    }

    fn read(csv: &str) -> Self {
        let mut records = Records::new(csv);
        let columns = Columns::of(&records.next().unwrap_or_default());
        let mut table = Self::default();
        for record in records {
            let key = columns.key.of(&record);
            if !key.is_empty() {
                table.rows.insert(key.to_owned(), columns.facts(&record));
            }
        }
        // Keys are sorted, so a later date replaces an earlier one.
        for (key, facts) in &table.rows {
            if let Some(stem) = claude_stem(key) {
                table.stems.insert(stem.to_owned(), Arc::clone(facts));
            }
        }
        table
    }
}

/// Where a column stands; absent columns read as empty.
#[derive(Debug, Clone, Copy)]
struct Column(Option<usize>);

impl Column {
    fn of<'a>(&self, record: &'a [String]) -> &'a str {
        self.0
            .and_then(|index| record.get(index))
            .map_or("", String::as_str)
    }

    fn number(&self, record: &[String]) -> Option<u64> {
        self.of(record).parse().ok()
    }

    fn price(&self, record: &[String]) -> Option<f64> {
        let price: f64 = self.of(record).parse().ok()?;
        (price.is_finite() && price >= 0.0).then_some(price)
    }

    fn list<'a>(&self, record: &'a [String]) -> impl Iterator<Item = &'a str> {
        self.of(record).split('|').filter(|item| !item.is_empty())
    }
}

/// The columns that are read.
#[derive(Debug)]
struct Columns {
    key: Column,
    provider: Column,
    mode: Column,
    max_input_tokens: Column,
    max_output_tokens: Column,
    max_tokens: Column,
    prompt_cache_min_tokens: Column,
    one_hour_cache_price: Column,
    flags_true: Column,
    flags_false: Column,
    effort_ceiling: Column,
    supported_endpoints: Column,
    input_cost_per_token: Column,
    output_cost_per_token: Column,
    cache_read_cost_per_token: Column,
    cache_write_cost_per_token: Column,
    input_cost_per_image: Column,
    output_cost_per_image: Column,
    input_cost_per_query: Column,
}

impl Columns {
    fn of(header: &[String]) -> Self {
        let column = |name: &str| Column(header.iter().position(|known| known == name));
        Self {
            key: column("key"),
            provider: column("litellm_provider"),
            mode: column("mode"),
            max_input_tokens: column("max_input_tokens"),
            max_output_tokens: column("max_output_tokens"),
            max_tokens: column("max_tokens"),
            prompt_cache_min_tokens: column("prompt_cache_min_tokens"),
            one_hour_cache_price: column("cache_creation_input_token_cost_above_1hr"),
            flags_true: column("flags_true"),
            flags_false: column("flags_false"),
            effort_ceiling: column("bedrock_output_config_effort_ceiling"),
            supported_endpoints: column("supported_endpoints"),
            input_cost_per_token: column("input_cost_per_token"),
            output_cost_per_token: column("output_cost_per_token"),
            cache_read_cost_per_token: column("cache_read_input_token_cost"),
            cache_write_cost_per_token: column("cache_creation_input_token_cost"),
            input_cost_per_image: column("input_cost_per_image"),
            output_cost_per_image: column("output_cost_per_image"),
            input_cost_per_query: column("input_cost_per_query"),
        }
    }

    fn facts(&self, record: &[String]) -> Arc<Facts> {
        let ceiling = self.effort_ceiling.of(record);
        let mut facts = Facts {
            known: true,
            effort_ceiling: (!ceiling.is_empty()).then(|| ceiling.to_owned()),
            one_hour_cache: !self.one_hour_cache_price.of(record).is_empty(),
            max_input_tokens: self.max_input_tokens.number(record),
            max_output_tokens: self
                .max_output_tokens
                .number(record)
                .or_else(|| self.max_tokens.number(record)),
            prompt_cache_min_tokens: self.prompt_cache_min_tokens.number(record),
            provider: match self.provider.of(record) {
                "bedrock" => Some(CatalogProvider::Bedrock),
                "bedrock_converse" => Some(CatalogProvider::BedrockConverse),
                "bedrock_mantle" => Some(CatalogProvider::BedrockMantle),
                _ => None,
            },
            input_cost_per_token: self.input_cost_per_token.price(record),
            output_cost_per_token: self.output_cost_per_token.price(record),
            cache_read_cost_per_token: self.cache_read_cost_per_token.price(record),
            cache_write_cost_per_token: self.cache_write_cost_per_token.price(record),
            input_cost_per_image: self.input_cost_per_image.price(record),
            output_cost_per_image: self.output_cost_per_image.price(record),
            input_cost_per_query: self.input_cost_per_query.price(record),
            mode: Mode::parse(self.mode.of(record)),
            supported_endpoints: self
                .supported_endpoints
                .list(record)
                .map(str::to_owned)
                .collect(),
            ..Facts::default()
        };
        for (column, value) in [(&self.flags_true, true), (&self.flags_false, false)] {
            for flag in column.list(record).filter_map(Flag::parse) {
                facts.flags.set(flag, value);
            }
        }
        Arc::new(facts)
    }
}

/// The records of a CSV text (RFC 4180), one after another.
struct Records<'a> {
    reader: Reader,
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    fn new(csv: &'a str) -> Self {
        Self {
            reader: Reader::new(),
            rest: csv.as_bytes(),
        }
    }
}

impl Iterator for Records<'_> {
    type Item = Vec<String>;

    fn next(&mut self) -> Option<Vec<String>> {
        let mut record = Vec::new();
        let mut field = Vec::new();
        let mut buffer = [0_u8; 512];
        loop {
            let (result, read, written) = self.reader.read_field(self.rest, &mut buffer);
            self.rest = self.rest.get(read..).unwrap_or_default();
            field.extend_from_slice(buffer.get(..written).unwrap_or_default());
            match result {
                ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull => {}
                ReadFieldResult::Field { record_end } => {
                    record.push(String::from_utf8_lossy(&field).into_owned());
                    field.clear();
                    if record_end {
                        return Some(record);
                    }
                }
                ReadFieldResult::End => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_fields_and_long_fields_are_read() {
        let long = "x".repeat(1500);
        let csv = format!("key,mode,extra\n\"a,\"\"b\"\"\",chat,{long}\nc,,\n");
        let records: Vec<_> = Records::new(&csv).collect();
        assert_eq!(records.len(), 3);
        assert_eq!(records[1], ["a,\"b\"", "chat", &long]);
        assert_eq!(records[2], ["c", "", ""]);
    }

    #[test]
    fn last_line_needs_no_line_end() {
        let records: Vec<_> = Records::new("key\na").collect();
        assert_eq!(records, [["key"], ["a"]]);
    }

    #[test]
    fn unknown_columns_and_rows_without_key_are_left_out() {
        let table = Table::read("colour,key,mode\nred,m,chat\nblue,,chat\n");
        assert_eq!(table.keys().collect::<Vec<_>>(), ["m"]);
        assert_eq!(table.row("m").unwrap().mode, Some(Mode::Chat));
    }
}
