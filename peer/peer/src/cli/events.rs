//! `peer chaincode events`: a chaincode's events on stdout as they come, one line each.

use std::io::{ErrorKind, Write as _};

use clap::Args;
use client::{Checkpoint, EventsStart, ReceivedEvent};
use node::shutdown_signal;
use protocol::{BlockNumber, ChaincodeName, ChannelId, TxId};
use serde_json::{Value, json};

use super::exit::Failure;
use super::output::{Done, OutputFormat, shown};
use super::session::Session;
use super::settings::FlagValues;

/// `peer chaincode events`.
#[derive(Args, Debug)]
pub struct EventsArguments {
    /// The channel; without it CORE_CHANNEL, or the peer's only channel.
    #[arg(short = 'C', long = "channelID", value_name = "CHANNEL")]
    channel: Option<ChannelId>,
    /// The chaincode.
    #[arg(short = 'n', long = "name", value_name = "CHAINCODE")]
    name: ChaincodeName,
    /// Begin with this block; without it and --after, with the next one that is committed.
    #[arg(long, value_name = "BLOCK")]
    start: Option<u64>,
    /// Begin behind this transaction: the last one whose event was dealt with.
    #[arg(long, value_name = "TXID")]
    after: Option<TxId>,
    /// End after so many events; without it, at the first SIGINT or SIGTERM.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

impl EventsArguments {
    fn start(&self) -> EventsStart {
        let block_number = self.start.map(BlockNumber);
        match (block_number, self.after.clone()) {
            (None, None) => EventsStart::NextCommit,
            (Some(number), None) => EventsStart::Block(number),
            (None, Some(tx_id)) => EventsStart::AfterTransaction(tx_id),
            (Some(block_number), Some(tx_id)) => EventsStart::After(Checkpoint { block_number, tx_id }),
        }
    }
}

/// Runs the verb. The events are written as they come, so that nothing is left to print at the end.
pub async fn run(arguments: EventsArguments, format: OutputFormat) -> Result<Done, Failure> {
    let session = Session::open(FlagValues::default()).await?;
    let channel = session.channel(arguments.channel.as_ref()).await?;
    let following = session.connection.chaincode_events(&channel, &arguments.name, arguments.start());
    let mut events = following.await?;
    eprintln!("following the events of {} on channel {channel}", arguments.name);
    let mut ends = std::pin::pin!(shutdown_signal());
    let mut last: Option<Checkpoint> = None;
    let mut left = arguments.count.unwrap_or(u64::MAX);
    while left > 0 {
        let event = tokio::select! {
            event = events.next() => event,
            _ = &mut ends => break,
        };
        let event = match event {
            Ok(Some(event)) => event,
            Ok(None) => return Err(ended("the peer ended the stream", last.as_ref())),
            Err(error) => return Err(ended(&error.to_string(), last.as_ref())),
        };
        if !write(&event, format)? {
            break;
        }
        last = Some(event.checkpoint());
        left -= 1;
    }
    Ok(Done::new("", Value::Null))
}

/// A stream that broke, with the flags that resume it.
fn ended(reason: &str, last: Option<&Checkpoint>) -> Failure {
    let resume = last.map_or_else(
        || "call again with the same flags".to_owned(),
        |last| format!("resume with --start {} --after {}", last.block_number, last.tx_id),
    );
    Failure::fault(format!("{reason}; {resume}"))
}

/// Writes one event; `false` where nobody reads stdout any longer.
fn write(event: &ReceivedEvent, format: OutputFormat) -> Result<bool, Failure> {
    let line = match format {
        OutputFormat::Text => text(event),
        OutputFormat::Json => json(event).to_string(),
    };
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::fault(format!("an event cannot be written to stdout: {error}"))),
    }
}

fn text(event: &ReceivedEvent) -> String {
    let payload = match shown(&event.payload) {
        Value::String(text) => on_one_line(text),
        value => value.to_string(),
    };
    let name = on_one_line(event.name.clone());
    format!("block {} tx {} {name} {payload}", event.block_number, event.tx_id)
}

/// A text as it is, or quoted where it could break the line or steer a terminal.
fn on_one_line(text: String) -> String {
    if text.chars().any(char::is_control) { format!("{text:?}") } else { text }
}

fn json(event: &ReceivedEvent) -> Value {
    json!({
        "block_number": event.block_number.0,
        "tx_id": event.tx_id.as_str(),
        "event": event.name,
        "payload": shown(&event.payload),
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        events: EventsArguments,
    }

    #[test]
    fn flags_say_where_events_begin() {
        let (block, id) = (BlockNumber(7), "a".repeat(64));
        let tx_id = TxId::new(id.as_str()).unwrap();
        let rows: &[(&[&str], EventsStart)] = &[
            (&[], EventsStart::NextCommit),
            (&["--start", "7"], EventsStart::Block(block)),
            (&["--after", &id], EventsStart::AfterTransaction(tx_id.clone())),
            (
                &["--start", "7", "--after", &id],
                EventsStart::After(Checkpoint { block_number: block, tx_id }),
            ),
        ];
        for (flags, start) in rows {
            let line = [&["events", "-n", "reports"][..], flags].concat();
            assert_eq!(Line::try_parse_from(line).ok().unwrap().events.start(), *start, "{flags:?}");
        }
        for flags in [["--start", "-1"], ["--after", "short"], ["--count", "0"]] {
            let line = [&["events", "-n", "reports"][..], &flags].concat();
            assert!(Line::try_parse_from(line).is_err(), "{flags:?}");
        }
    }

    #[test]
    fn a_broken_stream_says_how_to_resume() {
        let last = Checkpoint { block_number: BlockNumber(7), tx_id: TxId::of(b"n", b"c") };
        let Failure::Fault(text) = ended("gone", Some(&last)) else { panic!("no fault") };
        assert_eq!(text, format!("gone; resume with --start 7 --after {}", last.tx_id));
        let Failure::Fault(text) = ended("gone", None) else { panic!("no fault") };
        assert_eq!(text, "gone; call again with the same flags");
    }

    #[test]
    fn an_event_is_one_line() {
        let event = ReceivedEvent {
            block_number: BlockNumber(7),
            tx_id: TxId::of(b"n", b"c"),
            name: "ReportShared".to_owned(),
            payload: br#"{"live":true}"#[..].into(),
        };
        let id = event.tx_id.to_string();
        assert_eq!(text(&event), format!(r#"block 7 tx {id} ReportShared {{"live":true}}"#));
        let expected =
            json!({ "block_number": 7, "tx_id": id, "event": "ReportShared", "payload": { "live": true } });
        assert_eq!(json(&event), expected);
        let lines = ReceivedEvent { payload: b"two\nlines"[..].into(), ..event };
        assert_eq!(text(&lines).lines().count(), 1, "a payload does not end the line");
    }
}
