//! How messages become bytes: the clients' in protobuf, ours in MessagePack, each direction of a call by its own format.
//!
//! gRPC's framing and its length limit are tonic's; a message reaches these decoders whole and bounded.

use std::io;
use std::marker::PhantomData;

use bytes::{Buf as _, BufMut as _, Bytes};
use protocol::codec;
use protocol::limits::MESSAGE_BYTES_MAX;
use serde::{Serialize, de::DeserializeOwned};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// A way to write and read messages of type `T`.
pub trait Format<T>: Send + 'static {
    /// Appends the message's bytes.
    ///
    /// # Errors
    /// A status if the message cannot be written.
    fn write(message: &T, out: &mut EncodeBuf<'_>) -> Result<(), Status>;

    /// How many bytes [`Format::write`] appends.
    fn size(message: &T) -> usize;

    /// Reads one message that fills `bytes`.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` with what the decoder met.
    fn read(bytes: Bytes) -> Result<T, Status>;
}

/// Fabric's messages.
#[derive(Debug)]
pub enum Protobuf {}

/// Our own messages.
#[derive(Debug)]
pub enum MessagePack {}

impl<T: prost::Message + Default> Format<T> for Protobuf {
    fn write(message: &T, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.reserve(message.encoded_len());
        message.encode(out).map_err(|error| Status::internal(error.to_string()))
    }

    fn size(message: &T) -> usize {
        message.encoded_len()
    }

    fn read(bytes: Bytes) -> Result<T, Status> {
        T::decode(bytes).map_err(|error| Status::invalid_argument(format!("not a valid message: {error}")))
    }
}

impl<T: Serialize + DeserializeOwned> Format<T> for MessagePack {
    fn write(message: &T, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        let bytes = codec::encode(message);
        out.reserve(bytes.len());
        out.put_slice(&bytes);
        Ok(())
    }

    fn size(message: &T) -> usize {
        let mut count = Count(0);
        // Counting cannot fail; a type that refuses to serialise is met again, and reported, when it is written.
        let _ = rmp_serde::encode::write(&mut count, message);
        count.0
    }

    fn read(bytes: Bytes) -> Result<T, Status> {
        codec::decode(&bytes, MESSAGE_BYTES_MAX).map_err(|error| Status::invalid_argument(error.to_string()))
    }
}

/// Counts bytes instead of keeping them.
struct Count(usize);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Refuses a message that is larger than its service allows. Asked before a call, because an encoder's own refusal reaches
/// the caller only as a broken stream.
pub(crate) fn check_size<T, F: Format<T>>(message: &T, limit: usize) -> Result<(), Status> {
    let bytes = F::size(message);
    if bytes <= limit {
        return Ok(());
    }
    Err(Status::out_of_range(format!(
        "the request has {bytes} bytes, over the limit of {limit} of this service"
    )))
}

/// Writes `E` in format `EF` and reads `D` in format `DF`.
pub struct WireCodec<E, EF, D, DF>(PhantomData<Halves<E, EF, D, DF>>);

type Halves<E, EF, D, DF> = fn() -> (E, EF, D, DF);

impl<E, EF, D, DF> Default for WireCodec<E, EF, D, DF> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<E, EF, D, DF> std::fmt::Debug for WireCodec<E, EF, D, DF> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WireCodec")
    }
}

impl<E, EF, D, DF> Codec for WireCodec<E, EF, D, DF>
where
    E: Send + 'static,
    D: Send + 'static,
    EF: Format<E>,
    DF: Format<D>,
{
    type Encode = E;
    type Decode = D;
    type Encoder = WireEncoder<E, EF>;
    type Decoder = WireDecoder<D, DF>;

    fn encoder(&mut self) -> Self::Encoder {
        WireEncoder(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        WireDecoder(PhantomData)
    }
}

/// The writing half of [`WireCodec`].
pub struct WireEncoder<T, F>(PhantomData<fn() -> (T, F)>);

impl<T: Send + 'static, F: Format<T>> Encoder for WireEncoder<T, F> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, item: T, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        F::write(&item, out)
    }
}

/// The reading half of [`WireCodec`].
pub struct WireDecoder<T, F>(PhantomData<fn() -> (T, F)>);

impl<T: Send + 'static, F: Format<T>> Decoder for WireDecoder<T, F> {
    type Item = T;
    type Error = Status;

    fn decode(&mut self, input: &mut DecodeBuf<'_>) -> Result<Option<T>, Status> {
        let bytes = input.copy_to_bytes(input.remaining());
        F::read(bytes).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use protocol::fabric::Envelope;
    use protocol::{DeliverReply, SignedRequest, SigningDomain};

    use super::*;

    #[test]
    fn the_size_is_that_of_the_written_bytes() {
        for length in [0, 1, 31, 255, 256, 65_535, 65_536, 3 << 20] {
            let bytes = Bytes::from(vec![7; length]);
            let request = SignedRequest {
                domain: SigningDomain::Seal,
                payload: bytes.clone(),
                signer: bytes.clone(),
                signature: bytes.clone(),
            };
            assert_eq!(MessagePack::size(&request), codec::encode(&request).len(), "{length}");
            let reply = DeliverReply::Block(bytes.clone());
            assert_eq!(MessagePack::size(&reply), codec::encode(&reply).len(), "{length}");
            let envelope = Envelope { payload: bytes.clone(), signature: bytes };
            assert_eq!(Protobuf::size(&envelope), prost::Message::encode_to_vec(&envelope).len(), "{length}");
        }
    }

    #[test]
    fn bytes_that_are_no_message_are_refused() {
        let rows: [(&str, Status); 3] = [
            ("empty", <MessagePack as Format<SignedRequest>>::read(Bytes::new()).unwrap_err()),
            ("trailing", <MessagePack as Format<u8>>::read(Bytes::from_static(&[1, 2])).unwrap_err()),
            ("protobuf", <Protobuf as Format<Envelope>>::read(Bytes::from_static(&[0xff])).unwrap_err()),
        ];
        for (name, status) in rows {
            assert_eq!(status.code(), tonic::Code::InvalidArgument, "{name}");
        }
    }
}
