//! What a scalar means to the key it stands at.
//!
//! LiteLLM reads its file with `PyYAML`, which follows YAML 1.1; `serde_yaml` follows 1.2. Most scalars mean the same to
//! both. Where they do not (`on`, `017`, `12:30`, `1e3`, `0o17`, dates) the key's type decides: text stays as it is
//! written, a number is what it was to LiteLLM, and [`Reading::doubt`] says so. Text in quotes and text of a variable
//! have no such doubt.
//!
//! The patterns of 1.1 are those of PyYAML's resolver: <https://github.com/yaml/pyyaml/blob/main/lib/yaml/resolver.py>.

use serde_json::Number;

use super::node::{Node, Spelling, Value};

/// What YAML 1.1 reads a plain scalar as.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Yaml11 {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Date,
    Text,
}

/// A value that a scalar was read as.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reading<T> {
    pub(super) value: T,
    /// What to say when YAML 1.1 and 1.2 disagree about this scalar.
    pub(super) doubt: Option<String>,
}

impl<T> Reading<T> {
    fn sure(value: T) -> Self {
        Self { value, doubt: None }
    }
}

/// Reads a plain scalar as YAML 1.1 does.
pub(super) fn yaml11(plain: &str) -> Yaml11 {
    match plain {
        "" | "~" | "null" | "Null" | "NULL" => return Yaml11::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Yaml11::Bool(true);
        }
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Yaml11::Bool(false);
        }
        _ => {}
    }
    if let Some(int) = int11(plain) {
        return Yaml11::Int(int);
    }
    if let Some(float) = float11(plain) {
        return Yaml11::Float(float);
    }
    if is_date(plain) {
        return Yaml11::Date;
    }
    Yaml11::Text
}

fn split_sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn int11(plain: &str) -> Option<i128> {
    let (negative, body) = split_sign(plain);
    if !body.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let digits: String = body.chars().filter(|char| *char != '_').collect();
    let value = if let Some(bits) = digits.strip_prefix("0b") {
        i128::from_str_radix(bits, 2).ok()?
    } else if let Some(hex) = digits.strip_prefix("0x") {
        i128::from_str_radix(hex, 16).ok()?
    } else if digits == "0" {
        0
    } else if let Some(octal) = digits.strip_prefix('0') {
        if !octal.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        i128::from_str_radix(octal, 8).ok()?
    } else if digits.contains(':') {
        sexagesimal(&digits)?
    } else {
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        digits.parse().ok()?
    };
    Some(if negative { -value } else { value })
}

/// Reads `12:30` as the 750 that it is in base 60.
fn sexagesimal(digits: &str) -> Option<i128> {
    let mut parts = digits.split(':');
    let first = parts.next()?;
    if !first.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut value: i128 = first.parse().ok()?;
    for part in parts {
        let small = part.len() <= 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        let part: i128 = part.parse().ok().filter(|part| small && *part < 60)?;
        value = value.checked_mul(60)?.checked_add(part)?;
    }
    Some(value)
}

fn float11(plain: &str) -> Option<f64> {
    let (negative, body) = split_sign(plain);
    let sign = if negative { -1.0 } else { 1.0 };
    match body {
        ".inf" | ".Inf" | ".INF" => return Some(sign * f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
        _ => {}
    }
    let digits: String = body.chars().filter(|char| *char != '_').collect();
    let (whole, rest) = digits.split_once('.')?;
    let (fraction, exponent) = match rest.find(['e', 'E']) {
        Some(place) => rest.split_at_checked(place)?,
        None => (rest, ""),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    // 1.1 wants a point, and a sign in the exponent: `1e3` and `1.0e3` are text to it.
    let exponent_fits = exponent.is_empty()
        || exponent
            .get(1..)
            .and_then(|exponent| exponent.strip_prefix(['+', '-']))
            .is_some_and(|digits| !digits.is_empty() && all_digits(digits));
    if !exponent_fits || !all_digits(fraction) {
        return None;
    }
    if whole.contains(':') {
        let whole = sexagesimal(whole)?;
        let fraction: f64 = format!("0.{fraction}0").parse().ok()?;
        #[expect(clippy::cast_precision_loss, reason = "a float is asked for")]
        return exponent
            .is_empty()
            .then_some(sign * (whole as f64 + fraction));
    }
    if !all_digits(whole) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let value: f64 = format!("0{whole}.{fraction}0{exponent}").parse().ok()?;
    Some(sign * value)
}

fn is_date(plain: &str) -> bool {
    let Some(date) = plain.get(..plain.find(['T', 't', ' ']).unwrap_or(plain.len())) else {
        return false;
    };
    let mut parts = date.split('-');
    let fits = |part: Option<&str>, min: usize, max: usize| {
        part.is_some_and(|part| {
            (min..=max).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    fits(parts.next(), 4, 4)
        && fits(parts.next(), 1, 2)
        && fits(parts.next(), 1, 2)
        && parts.next().is_none()
}

/// Reads a node as text: what was written, letter by letter. Booleans are not text.
pub(super) fn as_text(node: &Node) -> Option<Reading<String>> {
    let plain = match &node.spelling {
        Spelling::Plain(plain) => plain,
        Spelling::Exact | Spelling::Variable(_) => {
            return match &node.value {
                Value::Text(text) => Some(Reading::sure(text.clone())),
                Value::Number(number) => Some(Reading::sure(number.to_string())),
                Value::Bool(flag) if matches!(node.spelling, Spelling::Variable(_)) => {
                    Some(Reading::sure(flag.to_string()))
                }
                _ => None,
            };
        }
    };
    let old = yaml11(plain);
    let same = match (&node.value, &old) {
        (Value::Text(_), Yaml11::Text) => true,
        (Value::Number(_), Yaml11::Int(_) | Yaml11::Float(_)) => agrees(&node.value, &old),
        (Value::Text(_) | Value::Number(_), _) => false,
        _ => return None,
    };
    Some(Reading {
        value: plain.to_string(),
        doubt: (!same).then(|| {
            format!(
                "YAML 1.1 reads `{plain}` as {}; it is taken as the text that it is; put it in quotes",
                describe(&old)
            )
        }),
    })
}

/// Reads a node as a switch.
pub(super) fn as_flag(node: &Node) -> Option<Reading<bool>> {
    match &node.value {
        Value::Bool(flag) => Some(Reading::sure(*flag)),
        Value::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some(Reading::sure(true)),
            "false" | "no" | "off" => Some(Reading::sure(false)),
            _ => None,
        },
        _ => None,
    }
}

/// Reads a node as a number.
pub(super) fn as_number(node: &Node) -> Option<Reading<Number>> {
    let Spelling::Plain(plain) = &node.spelling else {
        return match &node.value {
            Value::Number(number) => Some(Reading::sure(number.clone())),
            Value::Text(text) => parse_number(text.trim()).map(Reading::sure),
            _ => None,
        };
    };
    let old = yaml11(plain);
    let number = match (&node.value, &old) {
        // To LiteLLM `1e3` is text, which it then reads as the number that it looks like.
        (Value::Number(number), Yaml11::Text) => number.clone(),
        (Value::Number(number), _) if agrees(&node.value, &old) => {
            return Some(Reading::sure(number.clone()));
        }
        (Value::Number(_) | Value::Text(_), Yaml11::Int(int)) => number_of_int(*int)?,
        (Value::Number(_) | Value::Text(_), Yaml11::Float(float)) => Number::from_f64(*float)?,
        _ => return None,
    };
    let new = match &node.value {
        Value::Text(_) => "text",
        _ => "a number",
    };
    let old = describe(&old);
    let shown = number.as_f64().unwrap_or_default();
    let doubt = format!(
        "YAML 1.1 reads `{plain}` as {old}, YAML 1.2 as {new}; it is taken as {shown}; write {shown}"
    );
    Some(Reading {
        value: number,
        doubt: Some(doubt),
    })
}

/// Reads a node as a whole number; `3.0` is one.
pub(super) fn as_whole(node: &Node) -> Option<Reading<Number>> {
    let reading = as_number(node)?;
    let number = match reading.value.as_f64() {
        _ if reading.value.is_u64() || reading.value.is_i64() => reading.value,
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it was checked to be whole and small"
        )]
        Some(float) if float.fract() == 0.0 && float.abs() < 9e15 => Number::from(float as i64),
        _ => return None,
    };
    Some(Reading {
        value: number,
        doubt: reading.doubt,
    })
}

/// Reads a node at a key of no type, as LiteLLM would.
pub(super) fn as_written(node: &Node) -> Reading<Value> {
    let Spelling::Plain(plain) = &node.spelling else {
        return Reading::sure(node.value.clone());
    };
    let old = yaml11(plain);
    if agrees(&node.value, &old) {
        return Reading::sure(node.value.clone());
    }
    let value = match &old {
        Yaml11::Null => Value::Null,
        Yaml11::Bool(flag) => Value::Bool(*flag),
        Yaml11::Int(int) => {
            number_of_int(*int).map_or_else(|| Value::Text(plain.to_string()), Value::Number)
        }
        Yaml11::Float(float) => {
            Number::from_f64(*float).map_or_else(|| Value::Text(plain.to_string()), Value::Number)
        }
        Yaml11::Date | Yaml11::Text => Value::Text(plain.to_string()),
    };
    let taken = match old {
        Yaml11::Date => "text".to_owned(),
        _ => describe(&old),
    };
    Reading {
        value,
        doubt: Some(format!(
            "YAML 1.1 and 1.2 read a scalar of this form differently; it is taken as {taken}, as LiteLLM does; \
             put it in quotes if it is text"
        )),
    }
}

/// Says whether both versions of YAML read the same.
fn agrees(new: &Value, old: &Yaml11) -> bool {
    match (new, old) {
        (Value::Null, Yaml11::Null) | (Value::Text(_), Yaml11::Text) => true,
        (Value::Bool(new), Yaml11::Bool(old)) => new == old,
        (Value::Number(new), Yaml11::Int(old)) => new.as_i128() == Some(*old),
        (Value::Number(new), Yaml11::Float(old)) => new.as_f64() == Some(*old),
        _ => false,
    }
}

fn describe(old: &Yaml11) -> String {
    match old {
        Yaml11::Null => "null".to_owned(),
        Yaml11::Bool(flag) => format!("the boolean {flag}"),
        Yaml11::Int(int) => format!("the number {int}"),
        Yaml11::Float(float) => format!("the number {float}"),
        Yaml11::Date => "a date".to_owned(),
        Yaml11::Text => "text".to_owned(),
    }
}

fn number_of_int(int: i128) -> Option<Number> {
    u64::try_from(int)
        .map(Number::from)
        .or_else(|_| i64::try_from(int).map(Number::from))
        .ok()
}

fn parse_number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    digits
        .parse::<u64>()
        .map(Number::from)
        .or_else(|_| digits.parse::<i64>().map(Number::from))
        .ok()
        .or_else(|| digits.parse::<f64>().ok().and_then(Number::from_f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_are_read_as_pyyaml_reads_them() {
        for (plain, wanted) in [
            ("017", Yaml11::Int(15)),
            ("-0b11", Yaml11::Int(-3)),
            ("0x_ff", Yaml11::Int(255)),
            ("1_000", Yaml11::Int(1000)),
            ("12:30", Yaml11::Int(750)),
            ("1:00:00", Yaml11::Int(3600)),
            ("12:30.5", Yaml11::Float(750.5)),
            ("1.5e+3", Yaml11::Float(1500.0)),
            (".5", Yaml11::Float(0.5)),
            ("Off", Yaml11::Bool(false)),
            ("~", Yaml11::Null),
            ("2024-01-01", Yaml11::Date),
            ("2024-01-01T00:00:00Z", Yaml11::Date),
            ("1e3", Yaml11::Text),
            ("1.0e3", Yaml11::Text),
            ("0o17", Yaml11::Text),
            ("018", Yaml11::Text),
            ("12:60", Yaml11::Text),
            ("oFF", Yaml11::Text),
            ("us-east-1", Yaml11::Text),
            ("-", Yaml11::Text),
            (".", Yaml11::Text),
        ] {
            assert_eq!(yaml11(plain), wanted, "{plain}");
        }
    }
}
