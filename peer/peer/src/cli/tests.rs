//! The command line as users type it.

use clap::CommandFactory as _;
use clap::error::ErrorKind;

use super::*;

/// A program without chaincodes of its own.
fn program() -> Program {
    Program { chaincodes: Vec::new(), known: Capabilities::RELEASED }
}

fn parse(line: &str) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(line.split_whitespace())
}

#[test]
fn the_definition_of_the_command_line_is_sound() {
    Arguments::command().debug_assert();
}

#[test]
fn fabrics_verbs_and_flags_are_taken_letter_by_letter() {
    let lines = [
        "peer version",
        "peer node start",
        "peer node start --config core.yaml --logFormat json",
        "peer channel join -b reports.block",
        "peer channel join --blockpath reports.block",
        "peer channel list --output json",
        "peer channel getinfo -c reports",
        "peer channel fetch newest -c reports",
        "peer channel fetch config out.block -c reports -o orderer0:7050 --tls --cafile ca.pem",
        "peer channel fetch 7 -c reports -o o:1 --ordererTLSHostnameOverride o",
        "peer channel signconfigtx -f update.pb",
        "peer channel update -f update.pb -c reports -o orderer0:7050 --tls --cafile ca.pem",
        "peer channel update --file update.pb --channelID reports --orderer o:1 --certfile c --keyfile k --clientauth",
        "peer chaincode invoke -C reports -n asset -c {\"Args\":[\"Fn\"]}",
        "peer chaincode invoke --channelID reports --name asset --ctor {} --transient {} --waitForEvent \
         --waitForEventTimeout 30s",
        "peer chaincode invoke -C r -n a -c {} --waitForEvent=false",
        "peer chaincode invoke -o o:1 --tls --cafile f -C r -n a --peerAddresses p:1 --tlsRootCertFiles f --peerAddresses q:1 \
         --tlsRootCertFiles g -c {} --certfile c --keyfile k --clientauth",
        "peer chaincode query -C r -n a -c {} -x",
        "peer chaincode query -C r -n a -c {} --hex --peerAddresses p:1,q:2",
        "peer chaincode events --channelID r --name a",
        "peer chaincode events -C r -n a --start 0 --after 0000000000000000000000000000000000000000000000000000000000000000 \
         --count 3 --output json",
        "peer report upload scan.png --patient 4711 --modality CR --share-with BMSP --share-with CMSP -C reports",
        "peer report upload scan.png --patient 4711 --modality CR --again",
        "peer report list",
        "peer report list -C r --page-size 50",
        "peer report list --page-size 50 --bookmark report/0 --output json",
        "peer report show 0123456789 --output json",
        "peer report share 0123456789 --with BMSP",
        "peer report unshare 0123456789 --with BMSP -C reports",
        "peer report download 0123456789 --out f --purpose treatment",
        "peer identity register --msp users/u/msp -C reports",
        "peer identity register --cert c.pem --key k.pem --tls-cert t.pem --tls-cert u.pem --output json",
        "peer identity register --claim u.claim",
        "peer identity renew --msp users/u/msp --tls-cert t.pem --forget-tls-keys",
        "peer identity renew --claim u.claim",
        "peer identity revoke ABAB -C reports --msp-id HospitalBMSP",
        "peer identity revoke --cert c.pem",
        "peer identity claim --out u.claim --for renew",
        "peer identity show ABAB --output json",
        "peer identity list --msp-id HospitalBMSP",
        "peer report verify 0123456789",
        "peer report verify --poi ABAB --block 7 -C reports",
        "peer report openings 0123456789",
    ];
    let poi = "ab".repeat(32);
    for line in lines.map(|line| line.replace("ABAB", &poi)) {
        if let Err(error) = parse(&line) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn wrong_lines_are_refused_with_their_kind() {
    use ErrorKind::*;
    let rows = [
        ("peer", DisplayHelpOnMissingArgumentOrSubcommand),
        ("peer chanel list", InvalidSubcommand),
        ("peer channel", DisplayHelpOnMissingArgumentOrSubcommand),
        ("peer channel join", MissingRequiredArgument),
        ("peer channel signconfigtx", MissingRequiredArgument),
        ("peer channel update -o o:1", MissingRequiredArgument),
        ("peer channel fetch last", ValueValidation),
        ("peer channel fetch newest -c UPPER", ValueValidation),
        ("peer channel fetch newest --cafile f", MissingRequiredArgument),
        ("peer chaincode invoke -C r -n a", MissingRequiredArgument),
        ("peer chaincode invoke -C r -n a/b -c {}", ValueValidation),
        ("peer chaincode invoke -C r -n a -c {} --waitForEventTimeout 30", ValueValidation),
        ("peer chaincode query -C r -n a -c {} -x -r", ArgumentConflict),
        ("peer identity register", MissingRequiredArgument),
        ("peer identity register --cert c.pem", MissingRequiredArgument),
        ("peer identity register --key k.pem", MissingRequiredArgument),
        ("peer identity register --msp m --claim c", ArgumentConflict),
        ("peer identity register --claim c --tls-cert t", ArgumentConflict),
        ("peer identity revoke", MissingRequiredArgument),
        ("peer identity revoke abab", ValueValidation),
        ("peer identity claim", MissingRequiredArgument),
        ("peer report verify", MissingRequiredArgument),
        ("peer report verify --block 7", MissingRequiredArgument),
        ("peer report verify 0123456789 --poi abab --block 7", ValueValidation),
        ("peer report upload f --modality CR", MissingRequiredArgument),
        ("peer report download 012345678 --out f", MissingRequiredArgument),
        ("peer report download 012345678 --out f --purpose p --opening abc", ValueValidation),
        ("peer report list --page-size 0", ValueValidation),
        ("peer report list --bookmark report/0", MissingRequiredArgument),
        ("peer report share 012345678", MissingRequiredArgument),
        ("peer report share 012345678 --with a,b", ValueValidation),
        ("peer version --output xml", InvalidValue),
    ];
    for (line, kind) in rows {
        assert_eq!(parse(line).map(|_| ()).unwrap_err().kind(), kind, "{line}");
    }
}

#[test]
fn wrong_usage_ends_with_64_and_help_with_0() {
    let run = |line: &str| answer(line.split_whitespace().map(OsString::from), program());
    let rows = [
        ("peer channel fetch last", USAGE),
        ("peer channel update -f /nonexistent/update.pb -c reports", USAGE),
        ("peer channel update -f /nonexistent/update.pb -c reports -o o:1", exit::FAULT),
        ("peer channel signconfigtx -f /nonexistent/update.pb", exit::FAULT),
        ("peer nonsense", USAGE),
        ("peer --help", 0),
        ("peer report upload --help", 0),
        ("peer version --output json", 0),
        ("peer chaincode invoke -C r -n a -c nonsense", USAGE),
        ("peer chaincode query -C r -n a -c {\"Args\":[]}", USAGE),
        ("peer report upload f --patient p --modality cr", USAGE),
        ("peer report upload /nonexistent/scan.png --patient p --modality CR", exit::FAULT),
    ];
    for (line, code) in rows {
        assert_eq!(format!("{:?}", run(line)), format!("{:?}", ExitCode::from(code)), "{line}");
    }
}

#[test]
fn the_help_of_every_verb_teaches_with_an_example() {
    let command = Arguments::command();
    let mut verbs = 0;
    // A hidden verb is for no person.
    for group in command.get_subcommands().filter(|group| !group.is_hide_set()) {
        let leaves: Vec<_> = match group.get_subcommands().count() {
            0 => vec![group],
            _ => group.get_subcommands().collect(),
        };
        for verb in leaves {
            let help = verb.clone().render_long_help().to_string();
            assert!(help.contains("Example"), "{} {}: {help}", group.get_name(), verb.get_name());
            assert!(help.contains(&format!("peer {}", group.get_name())), "{help}");
            verbs += 1;
        }
    }
    assert_eq!(verbs, 25);
}

#[test]
fn a_patient_is_not_in_the_debug_text_of_arguments() {
    let arguments = parse("peer report upload f --patient 4711-geheim --modality CR").unwrap();
    assert!(!format!("{arguments:?}").contains("geheim"));
}

#[test]
fn flags_that_contradict_each_other_are_named() {
    let invoke = "peer chaincode invoke -C r -n a -c {\"Args\":[\"f\"]}";
    let lines = [
        format!("{invoke} --peerAddresses p:1 --peerAddresses q:1 --tlsRootCertFiles f"),
        format!("{invoke} --peerAddresses nonsense"),
        format!("{invoke} -o nonsense"),
        format!("{invoke} -o orderer0:7050 --ordererTLSHostnameOverride other"),
        "peer channel fetch newest -c r -o nonsense".to_owned(),
    ];
    for line in lines {
        let code = answer(line.split_whitespace().map(OsString::from), program());
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(USAGE)), "{line}");
    }
}
