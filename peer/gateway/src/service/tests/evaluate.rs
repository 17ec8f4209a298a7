//! Where an evaluation runs, and what a client reads when it fails.

use std::sync::atomic::Ordering;

use protocol::fabric::{EvaluateRequest, Response};
use transport::services::gateway::Gateway as _;
use transport::{Code, Request, Status, details_of};

use super::world::{Call, Does, OWN, World, upload, within};

async fn evaluate(world: &World, call: &Call<'_>, targets: &[&str]) -> Result<Response, Status> {
    let request = world.endorse_request(call, targets);
    let request = EvaluateRequest {
        transaction_id: request.transaction_id,
        channel_id: request.channel_id,
        proposed_transaction: request.proposed_transaction,
        target_organizations: request.endorsing_organizations,
    };
    let answer = within(world.gateway.evaluate(Request::new(request))).await?;
    Ok(answer.into_inner().result.expect("a result"))
}

#[tokio::test]
async fn an_evaluation_runs_at_home_unless_other_organisations_are_named() {
    use Does::{ChaincodeError, Refuse};
    let secret: &[(&str, &[u8])] = &[("secret", b"x")];
    let (plain, private) = (Call::default(), Call { transient: secret, ..Call::default() });
    let stranger = Call { org: "HospitalB", ..Call::default() };
    let down = Refuse(Code::Unavailable, "connection refused");
    let (b, c) = ("HospitalB", "HospitalC");
    let failed = "evaluate call to endorser returned error: ";
    // Call, targets, scripts of A and B, own calls, others asked, code and text.
    type Row<'a> = (&'a str, Call<'a>, &'a [&'a str], [Does; 2], u64, &'a [&'a str], Option<(Code, String)>);
    let rows: &[Row<'_>] = &[
        ("at home", plain, &[], [Does::Endorse, Does::Endorse], 1, &[], None),
        ("home among the targets", plain, &[b, OWN], [Does::Endorse, Does::Endorse], 1, &[], None),
        ("elsewhere", plain, &[b], [Does::Endorse, Does::Endorse], 0, &[b], None),
        ("the next target", plain, &[b, c], [Does::Endorse, down], 0, &[b, c], None),
        ("transient data stays at home", private, &[], [Does::Endorse, Does::Endorse], 1, &[], None),
        (
            "transient data goes where it is sent",
            private,
            &[b],
            [Does::Endorse, Does::Endorse],
            0,
            &[b],
            None,
        ),
        (
            "home is down",
            plain,
            &[],
            [down, Does::Endorse],
            1,
            &[],
            Some((Code::Unavailable, format!("{failed}connection refused"))),
        ),
        (
            "chaincode fails",
            plain,
            &[],
            [ChaincodeError(500, "msg"), Does::Endorse],
            1,
            &[],
            Some((Code::Unknown, format!("{failed}chaincode response 500, msg"))),
        ),
        (
            "chaincode fails elsewhere",
            plain,
            &[b, c],
            [Does::Endorse, ChaincodeError(500, "msg")],
            0,
            &[b],
            Some((Code::Unknown, format!("{failed}chaincode response 500, msg"))),
        ),
        (
            "elsewhere is down",
            plain,
            &[b],
            [Does::Endorse, down],
            0,
            &[b],
            Some((Code::Unavailable, format!("{failed}connection refused"))),
        ),
        (
            "another hospital's user",
            stranger,
            &[],
            [Does::Endorse, Does::Endorse],
            0,
            &[],
            Some((Code::PermissionDenied, "this gateway serves users of HospitalA".to_owned())),
        ),
    ];
    for (name, call, targets, [own, other], calls, asked, verdict) in rows {
        let world = World::new();
        world.script(OWN, &[*own]);
        world.script(b, &[*other]);
        let answer = evaluate(&world, call, targets).await;
        assert_eq!(
            (world.node.calls.load(Ordering::SeqCst), world.asked()),
            (*calls, asked.iter().map(ToString::to_string).collect()),
            "{name}"
        );
        match (answer, verdict) {
            (Ok(response), None) => assert_eq!(&response.payload[..], b"result", "{name}"),
            (Err(status), Some((code, text))) => {
                assert_eq!(status.code(), *code, "{name}: {status:?}");
                assert!(status.message().starts_with(text.as_str()), "{name}: {status:?}");
            }
            (answer, _) => panic!("{name}: {answer:?}"),
        }
    }
}

#[tokio::test]
async fn a_failed_evaluation_says_where() {
    let world = World::new();
    world.script(OWN, &[Does::ChaincodeError(404, "no such asset")]);
    let status = evaluate(&world, &Call::default(), &[]).await.expect_err("an error");
    let details = details_of(&status);
    assert_eq!(details.len(), 1);
    assert_eq!(details[0].address, "peer0.HospitalA:7051");
    assert_eq!(details[0].message, "chaincode response 404, no such asset");
}

#[tokio::test]
async fn a_data_key_is_shown_to_checkers_only() {
    let world = World::new();
    let status = evaluate(&world, &upload(), &["Orderers"]).await.expect_err("no checker");
    assert_eq!((status.code(), world.asked().len()), (Code::InvalidArgument, 0), "{status:?}");
    evaluate(&world, &upload(), &["HospitalB"]).await.expect("a checker");
}
