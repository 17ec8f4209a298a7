//! Hospitals with all their services, and lines between them that carry the caller's certificate.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use configtx::ConfigBundle;
use futures_util::future::BoxFuture;
use ipfs::{KemPrivateKey, SEALED_FAMILIES, SealedStore};
use protocol::{BlockResponse, KeyRelease, MspId, SignedRequest};
use store::{Store, StoreOptions};
use transport::services::custody::Custody as CustodyCalls;
use transport::services::exchange::Exchange;
use transport::{PeerCertificate, Request, ResponseStream, Status};

use super::msp_id;
use super::same_process::SameProcess;
use super::world::{TestNode, World, kem_bytes};
use crate::{
    CUSTODY_FAMILIES, Custody, CustodyService, ExchangeService, FetchLimits, Fetcher, Peers, ReportLimits,
    ReportParts, ReportService, ServeLimits, Upkeep,
};

type Services = (Arc<CustodyService<TestNode>>, Arc<ExchangeService<TestNode>>);

/// Who can be reached, and how.
#[derive(Default)]
pub(crate) struct Switchboard {
    services: Mutex<BTreeMap<MspId, Services>>,
    pub(crate) down: Mutex<BTreeSet<MspId>>,
}

/// One hospital's lines to the others.
pub(crate) struct Lines {
    pub(crate) board: Arc<Switchboard>,
    certificate: PeerCertificate,
}

impl Lines {
    fn services(&self, msp_id: &MspId) -> Result<Services, Status> {
        if self.board.down.lock().expect("no panic").contains(msp_id) {
            return Err(Status::unavailable("connection refused"));
        }
        let services = self.board.services.lock().expect("no panic");
        services.get(msp_id).cloned().ok_or_else(|| Status::unavailable("no such peer"))
    }

    fn request(&self, request: SignedRequest) -> Request<SignedRequest> {
        let mut request = Request::new(request);
        request.extensions_mut().insert(self.certificate.clone());
        request
    }
}

impl Peers for Lines {
    fn fetch<'a>(
        &'a self,
        _: &'a ConfigBundle,
        msp_id: &'a MspId,
        request: SignedRequest,
    ) -> BoxFuture<'a, Result<ResponseStream<BlockResponse>, Status>> {
        Box::pin(async move {
            let (_, exchange) = self.services(msp_id)?;
            Ok(exchange.fetch(self.request(request)).await?.into_inner())
        })
    }

    fn request_key<'a>(
        &'a self,
        _: &'a ConfigBundle,
        msp_id: &'a MspId,
        request: SignedRequest,
    ) -> BoxFuture<'a, Result<KeyRelease, Status>> {
        Box::pin(async move {
            let (custody, _) = self.services(msp_id)?;
            Ok(custody.request(self.request(request)).await?.into_inner())
        })
    }

    fn deposit_key<'a>(
        &'a self,
        _: &'a ConfigBundle,
        msp_id: &'a MspId,
        request: SignedRequest,
    ) -> BoxFuture<'a, Result<String, Status>> {
        Box::pin(async move {
            let (custody, _) = self.services(msp_id)?;
            Ok(custody.deposit(self.request(request)).await?.into_inner())
        })
    }
}

/// A hospital's peer with all its services.
pub(crate) struct Hospital {
    pub(crate) node: Arc<TestNode>,
    pub(crate) custody: Arc<Custody>,
    pub(crate) store: SealedStore,
    pub(crate) peers: Arc<Lines>,
    pub(crate) fetcher: Arc<Fetcher>,
    pub(crate) reports: ReportService<TestNode>,
    pub(crate) upkeep: Upkeep<TestNode>,
    pub(crate) custody_service: Arc<CustodyService<TestNode>>,
    pub(crate) exchange_service: Arc<ExchangeService<TestNode>>,
    _folder: tempfile::TempDir,
}

impl Hospital {
    pub(crate) fn new(world: &World, board: &Arc<Switchboard>, org: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let families = [&SEALED_FAMILIES[..], &CUSTODY_FAMILIES].concat();
        let database =
            Store::open(&folder.path().join("db"), &families, StoreOptions::new("test", 1)).expect("a store");
        let store = SealedStore::new(database.clone());
        let custody = Custody::open(database, KemPrivateKey::from_bytes(kem_bytes(org))).expect("custody");
        let (custody, node) = (Arc::new(custody), world.node(org));
        let certificate = world.certificates[&msp_id(org)].clone();
        let peers = Arc::new(Lines { board: Arc::clone(board), certificate });
        let calls: Arc<dyn Peers> = Arc::<Lines>::clone(&peers);
        let fetcher = Arc::new(Fetcher::new(store.clone(), Arc::clone(&calls), FetchLimits::default()));
        let custody_service = Arc::new(CustodyService::new(Arc::clone(&node), Arc::clone(&custody)));
        let exchange_service =
            Arc::new(ExchangeService::new(Arc::clone(&node), store.clone(), ServeLimits::default()));
        let services = (Arc::clone(&custody_service), Arc::clone(&exchange_service));
        board.services.lock().expect("no panic").insert(msp_id(org), services);
        let parts = ReportParts {
            custody: Arc::clone(&custody),
            store: store.clone(),
            fetcher: Arc::clone(&fetcher),
            peers: Arc::clone(&calls),
            images: Arc::new(SameProcess),
        };
        let reports = ReportService::new(Arc::clone(&node), parts, ReportLimits::default());
        let upkeep = Upkeep::new(
            Arc::clone(&node),
            Arc::clone(&custody),
            store.clone(),
            Arc::clone(&fetcher),
            Arc::clone(&calls),
        );
        Self {
            node,
            custody,
            store,
            peers,
            fetcher,
            reports,
            upkeep,
            custody_service,
            exchange_service,
            _folder: folder,
        }
    }

    /// The three hospitals, connected.
    pub(crate) fn all(world: &World) -> [Self; 3] {
        let board = Arc::new(Switchboard::default());
        ["HospitalA", "HospitalB", "HospitalC"].map(|org| Self::new(world, &board, org))
    }

    pub(crate) fn is_down(&self, org: &str, down: bool) {
        let mut set = self.peers.board.down.lock().expect("no panic");
        if down {
            set.insert(msp_id(org))
        } else {
            set.remove(&msp_id(org))
        };
    }
}
