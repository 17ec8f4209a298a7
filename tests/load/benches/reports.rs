//! Hash and seal: what a report costs beside its transaction.
#![allow(clippy::expect_used, reason = "a bench that cannot be built fails")]

use std::convert::Infallible;
use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use imaging::{DecodeLimits, decode, wavelet_hash};
use scenarios::Image;

const MEGABYTES: u64 = 16;

fn hashing(criterion: &mut Criterion) {
    let png = Image::rings(3_000, 2_500, 7).png();
    let limits = DecodeLimits::default();
    let image = decode(&png, &limits).expect("decodes");
    let mut group = criterion.benchmark_group("hash: a PNG of 3000 x 2500 pixels");
    group.sample_size(20);
    group.bench_function("decode", |bencher| {
        bencher.iter(|| black_box(decode(&png, &limits).expect("decodes")));
    });
    group.bench_function("wavelet hash", |bencher| bencher.iter(|| black_box(wavelet_hash(&image))));
    group.finish();
}

fn sealing(criterion: &mut Criterion) {
    let report = vec![7_u8; usize::try_from(MEGABYTES << 20).expect("fits")];
    let mut group = criterion.benchmark_group("seal: 16 MB");
    group.throughput(Throughput::Bytes(MEGABYTES << 20));
    group.sample_size(10);
    group.bench_function("seal, bind, address", |bencher| {
        bencher.iter(|| {
            let forget = |_, block| {
                black_box::<Bytes>(block);
                Ok::<(), Infallible>(())
            };
            black_box(ipfs::seal(&report[..], forget).expect("seals"));
        });
    });
    group.finish();
}

criterion_group!(benches, hashing, sealing);
criterion_main!(benches);
