//! The byte stream to a server: TCP, TLS over TCP, or a Unix socket.

use std::future::poll_fn;
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

pub(super) enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    /// Reads what is there, at least one byte, into the one space and then the other.
    pub(super) async fn read(&mut self, first: &mut [u8], second: &mut [u8]) -> io::Result<usize> {
        let bytes = poll_fn(|cx| match self {
            Transport::Tcp(stream) => poll_socket(
                || stream.poll_read_ready(cx),
                |read| stream.try_io(Interest::READABLE, || read(SockRef::from(&*stream))),
                first,
                second,
            ),
            Transport::Unix(stream) => poll_socket(
                || stream.poll_read_ready(cx),
                |read| stream.try_io(Interest::READABLE, || read(SockRef::from(&*stream))),
                first,
                second,
            ),
            Transport::Tls(stream) => poll_tls(stream, cx, first),
        })
        .await?;
        if bytes == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(bytes) }
    }

    /// Writes all of it.
    pub(super) async fn write_all(&mut self, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        while !slices.is_empty() {
            let written = match self {
                Transport::Tcp(stream) => stream.write_vectored(slices).await?,
                Transport::Unix(stream) => stream.write_vectored(slices).await?,
                Transport::Tls(stream) => stream.write_vectored(slices).await?,
            };
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            IoSlice::advance_slices(&mut slices, written);
        }
        match self {
            Transport::Tls(stream) => poll_fn(|cx| Pin::new(&mut *stream).poll_flush(cx)).await,
            Transport::Tcp(_) | Transport::Unix(_) => Ok(()),
        }
    }
}

/// Reads from a socket into both spaces with one system call.
///
/// A read that does not fill them has emptied the socket. It is reported to the reactor as one that would
/// block, so that the next read waits for more instead of asking in vain first.
fn poll_socket(
    mut poll_ready: impl FnMut() -> Poll<io::Result<()>>,
    try_io: impl Fn(&mut dyn FnMut(SockRef<'_>) -> io::Result<usize>) -> io::Result<usize>,
    first: &mut [u8],
    second: &mut [u8],
) -> Poll<io::Result<usize>> {
    let room = first.len() + second.len();
    loop {
        ready!(poll_ready())?;
        let mut emptied = None;
        let result = try_io(&mut |socket| {
            let bytes = match second.len() {
                0 => (&*socket).read(first)?,
                _ => (&*socket).read_vectored(&mut [IoSliceMut::new(first), IoSliceMut::new(second)])?,
            };
            if bytes > 0 && bytes < room {
                emptied = Some(bytes);
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(bytes)
        });
        match (result, emptied) {
            (Err(error), Some(bytes)) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Ready(Ok(bytes)),
            (Err(error), None) if error.kind() == io::ErrorKind::WouldBlock => {}
            (Err(error), _) if error.kind() == io::ErrorKind::Interrupted => {}
            (result, _) => return Poll::Ready(result),
        }
    }
}

fn poll_tls(stream: &mut TlsStream<TcpStream>, cx: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(space);
    ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}
