//! What `network up` prints at its end: where things are, and commands that work as they stand.

use std::fmt::Write as _;

use crate::consortium::{Kind, nodes};
use crate::folder::Folder;
use crate::node_files::quoted;
use crate::state::State;

/// The text. `report` is the report that the demonstration shared.
pub fn text(folder: &Folder, state: &State, report: Option<&str>) -> String {
    let env = |file: &str| quoted(&folder.env().join(file).display().to_string());
    let mut text = String::from("\nThe consortium runs.\n\n");
    for node in nodes() {
        let what = match node.kind {
            Kind::Orderer => "orders",
            Kind::Peer => "keeps ledger and reports",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "  {:<10} {:<20} 127.0.0.1:{}  {what}",
            node.name(),
            node.msp_id(),
            state.ports(node).service
        );
    }
    let _ = write!(
        text,
        "
  keys            {}
  configuration   {}
  data and logs   {}

Act as hospital B's doctor (each line can be copied):

  source {}
  peer report list
",
        folder.crypto().display(),
        folder.consortium().display(),
        folder.path().join("nodes").display(),
        env("hospital-b-doctor.sh"),
    );
    if let Some(report) = report {
        let _ = write!(text, "  peer report show {report}\n  peer report verify {report}\n");
    }
    let _ = write!(
        text,
        "
Share a report of your own as hospital A's doctor:

  source {}
  peer report upload IMAGE.png --patient 4711 --modality CR --share-with HospitalBMSP

Look after this network, in the same shell:

  network status
  network logs peer-a -f
  network down
  network down --purge      removes keys, ledgers and reports

All keys of all hospitals lie on this machine: nothing here is fit for patients' data.
",
        env("hospital-a-doctor.sh"),
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instructions_name_every_node_and_the_report() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::at(&root.path().join("a network"));
        let state = State::new(&folder).unwrap();
        let text = text(&folder, &state, Some("abcd"));
        for node in nodes() {
            assert!(text.contains(&format!("127.0.0.1:{}", state.ports(node).service)), "{node}");
        }
        assert!(text.contains("peer report show abcd"));
        assert!(text.contains("a network/env/hospital-b-doctor.sh'"), "a path with a space is quoted");
    }
}
