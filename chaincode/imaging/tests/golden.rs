//! Frozen forms of what enters configuration, records and messages. A change here is a change of the format.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use imaging::{Action, AdmissionRule, Combine, MediaType, PerceptualHash, Reference, Similarity, Verdict};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Asserts both forms of a value, and that each is read back as it.
fn frozen<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
    value: &T,
    messagepack: &str,
    json: &str,
) {
    let packed = rmp_serde::to_vec(value).unwrap();
    assert_eq!(hex(&packed), messagepack);
    assert_eq!(&rmp_serde::from_slice::<T>(&packed).unwrap(), value);
    let text = serde_json::to_string(value).unwrap();
    assert_eq!(text, json);
    assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value);
}

fn hash() -> PerceptualHash {
    PerceptualHash::from_bits(0x08c1_8999_191c_feff)
}

fn rule() -> AdmissionRule {
    AdmissionRule::paper_50("CR", vec![Reference { id: "r1".to_owned(), hash: hash() }])
}

#[test]
fn a_hash_is_its_text() {
    frozen(&hash(), "b030386331383939393139316366656666", "\"08c18999191cfeff\"");
}

#[test]
fn a_similarity_is_its_number_of_matching_bits() {
    frozen(&Similarity::between(hash(), hash()), "40", "64");
}

#[test]
fn formats_and_choices_are_words() {
    frozen(&MediaType::Png, "a9696d6167652f706e67", "\"image/png\"");
    frozen(&MediaType::Jpeg, "aa696d6167652f6a706567", "\"image/jpeg\"");
    frozen(&[Combine::Best, Combine::Top3], "92a462657374a4746f7033", "[\"best\",\"top3\"]");
    frozen(&[Action::Refuse, Action::Warn], "92a6726566757365a47761726e", "[\"refuse\",\"warn\"]");
}

#[test]
fn a_rule_is_an_array_of_its_fields_in_order() {
    frozen(
        &rule(),
        "96a870617065722d3530a243529192a27231b030386331383939393139316366656666a462657374ce0007a120a6726566757365",
        "{\"profile\":\"paper-50\",\"modality\":\"CR\",\"references\":[{\"id\":\"r1\",\"hash\":\"08c18999191cfeff\"}],\
         \"combine\":\"best\",\"threshold_ppm\":500000,\"action\":\"refuse\"}",
    );
}

#[test]
fn a_verdict_is_an_array_of_its_fields_in_order() {
    let verdict: Verdict = rule().evaluate(hash());
    frozen(
        &verdict,
        "95a870617065722d3530c3ce000f4240ce0007a1209192a27231ce000f4240",
        "{\"profile\":\"paper-50\",\"accepted\":true,\"score_ppm\":1000000,\"threshold_ppm\":500000,\
         \"best\":[{\"id\":\"r1\",\"similarity_ppm\":1000000}]}",
    );
}

#[test]
fn an_unknown_field_or_word_is_refused() {
    let text = serde_json::to_string(&rule()).unwrap();
    for (from, to) in [
        ("\"combine\"", "\"combined\""),
        ("\"best\"", "\"Best\""),
        ("\"refuse\"", "\"ignore\""),
        ("08c1", "08C1"),
        ("500000", "0.5"),
        ("500000", "-1"),
    ] {
        let changed = text.replace(from, to);
        assert_ne!(changed, text);
        assert!(serde_json::from_str::<AdmissionRule>(&changed).is_err(), "{changed}");
    }
}
