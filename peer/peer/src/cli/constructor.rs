//! Fabric's JSON arguments: the call in `-c` and the transient values in `--transient`.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::base64;

/// The function and arguments of `-c`: `{"Args":["Fn","a"]}` or `{"function":"Fn","Args":["a"]}`. Field names match in any
/// case, as in Fabric.
pub fn call(text: &str) -> Result<Vec<Bytes>, String> {
    const FORM: &str =
        r#"write -c '{"Args":["Function","argument"]}' or -c '{"function":"Function","Args":["argument"]}'"#;
    let object = object(text).map_err(|reason| format!("-c {reason}; {FORM}"))?;
    let (mut function, mut args) = (None, None);
    for (name, value) in object {
        match (name.to_ascii_lowercase().as_str(), value) {
            ("function", Value::String(text)) => function = Some(text),
            ("args", Value::Array(items)) => args = Some(items),
            ("function", _) => return Err(format!("-c: \"function\" must be a text; {FORM}")),
            ("args", _) => return Err(format!("-c: \"Args\" must be a list of texts; {FORM}")),
            _ => return Err(format!("-c: field {name:?} is unknown; {FORM}")),
        }
    }
    let mut call: Vec<Bytes> = function.into_iter().map(Bytes::from).collect();
    for (place, item) in args.unwrap_or_default().into_iter().enumerate() {
        match item {
            Value::String(text) => call.push(text.into()),
            _ => {
                return Err(format!("-c: argument {place} of \"Args\" is no text: put it in quotes; {FORM}"));
            }
        }
    }
    if call.is_empty() { Err(format!("-c names no function; {FORM}")) } else { Ok(call) }
}

/// The values of `--transient`: an object of base64 texts. No error quotes a value.
pub fn transient(text: &str) -> Result<BTreeMap<String, Vec<u8>>, String> {
    const FORM: &str =
        r#"write --transient '{"name":"base64 of the value"}', such as $(printf secret | base64 -w0)"#;
    let object = object(text).map_err(|reason| format!("--transient {reason}; {FORM}"))?;
    object
        .into_iter()
        .map(|(name, value)| {
            let bytes = value.as_str().and_then(base64::decode);
            let bytes =
                bytes.ok_or_else(|| format!("--transient: the value of {name:?} is not base64; {FORM}"))?;
            Ok((name, bytes))
        })
        .collect()
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("is JSON, but no object".to_owned()),
        Err(error) => Err(format!("is not JSON (line {}, column {})", error.line(), error.column())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_read_in_both_of_fabrics_forms() {
        let rows: &[(&str, Result<&[&str], &str>)] = &[
            (r#"{"Args":["Fn","a","b"]}"#, Ok(&["Fn", "a", "b"])),
            (r#"{"args":["Fn"]}"#, Ok(&["Fn"])),
            (r#"{"function":"Fn","Args":["a"]}"#, Ok(&["Fn", "a"])),
            (r#"{"Function":"Fn"}"#, Ok(&["Fn"])),
            (r#"{"Args":["Fn","{\"x\":1}"]}"#, Ok(&["Fn", "{\"x\":1}"])),
            ("{}", Err("names no function")),
            (r#"{"Args":[]}"#, Err("names no function")),
            (r#"{"Args":["Fn",1]}"#, Err("argument 1")),
            (r#"{"Args":"Fn"}"#, Err("list of texts")),
            (r#"{"function":7}"#, Err("must be a text")),
            (r#"{"Arg":["Fn"]}"#, Err("\"Arg\" is unknown")),
            ("[\"Fn\"]", Err("no object")),
            ("{'Args':['Fn']}", Err("not JSON (line 1")),
            ("", Err("not JSON")),
        ];
        for (text, expected) in rows {
            match (call(text), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, *expected, "{text}"),
                (Err(error), Err(part)) => {
                    assert!(error.contains(part) && error.contains("write -c"), "{error}")
                }
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }

    #[test]
    fn transient_values_are_base64_and_never_quoted() {
        assert_eq!(transient(r#"{"key":"Zm9v"}"#).unwrap()["key"], b"foo");
        for text in [r#"{"key":"secret!"}"#, r#"{"key":1}"#, "secret!"] {
            let error = transient(text).unwrap_err();
            assert!(!error.contains("secret!"), "{error}");
        }
    }
}
