//! What bounds a call: cancel tokens and contexts.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::Result;
use crate::ffi::error::arrowredis_error;
use crate::ffi::guard::{Out, OutStruct, borrow, borrow_optional, call, give, handle, infallible, release};
use crate::ffi::metrics::arrowredis_metrics;
use crate::runtime::{CancelToken, Context, check_fork};

/// Ends operations: once fired, every operation that was given the token ends with CANCELLED, and so does every
/// later one. Any thread may fire it, before or during a call.
pub struct arrowredis_cancel_token(CancelToken);

handle!(arrowredis_cancel_token, "cancel token", b"ar.cancl");

/// Makes a token. The caller owns `*out`; operations that were given it do not need it to stay alive.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_cancel_token_new(
    out: *mut *mut arrowredis_cancel_token,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        Out::new(out, "out")?.set(give(arrowredis_cancel_token(CancelToken::new())));
        Ok(())
    })
}

/// Fires a token. Never blocks; firing twice, or NULL, does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_cancel_token_cancel(token: *const arrowredis_cancel_token) {
    infallible(|| {
        if let (Ok(token), Ok(())) = (borrow(token, "token"), check_fork()) {
            token.0.cancel();
        }
    });
}

/// 1 if the token was fired, otherwise 0.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_cancel_token_is_cancelled(token: *const arrowredis_cancel_token) -> i32 {
    infallible(|| borrow(token, "token").map_or(0, |token| i32::from(token.0.is_cancelled())))
}

/// Frees a token without firing it. NULL does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_cancel_token_free(token: *mut arrowredis_cancel_token) {
    release(token);
}

/// What bounds and reports a call: a timeout, a cancel token, a limit of bytes in flight, and the figures of the
/// latest operation that was started with it. Wherever a function takes a context, NULL means no bounds.
///
/// It may be used for one call after the other; the timeout counts anew for each. Another thread may ask for the
/// figures meanwhile: that is how progress is watched.
pub struct arrowredis_context(Mutex<Settings>);

handle!(arrowredis_context, "context", b"ar.contx");

struct Settings {
    timeout: Option<Duration>,
    cancel: CancelToken,
    max_inflight_bytes: Option<u64>,
    latest: Option<Context>,
}

impl arrowredis_context {
    fn lock(&self) -> MutexGuard<'_, Settings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A context of the core for one operation. It has a token of its own below the caller's, so that a reader can
/// be cancelled alone.
pub(crate) fn start(context: *const arrowredis_context) -> Result<Context> {
    let Some(context) = borrow_optional(context, "context")? else { return Ok(Context::new()) };
    let mut settings = context.lock();
    let mut started = Context::new().with_cancel(settings.cancel.child_token());
    if let Some(timeout) = settings.timeout {
        started = started.with_timeout(timeout);
    }
    if let Some(bytes) = settings.max_inflight_bytes {
        started = started.with_max_inflight_bytes(bytes);
    }
    settings.latest = Some(started.clone());
    Ok(started)
}

/// Makes a context without bounds. The caller owns `*out`; operations under way do not need it to stay alive.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_context_new(out: *mut *mut arrowredis_context, err: *mut *mut arrowredis_error) -> i32 {
    call(err, || {
        let settings = Settings { timeout: None, cancel: CancelToken::new(), max_inflight_bytes: None, latest: None };
        Out::new(out, "out")?.set(give(arrowredis_context(Mutex::new(settings))));
        Ok(())
    })
}

/// Ends each operation that is started from now on with TIMEOUT when it has run for so many milliseconds; 0 means
/// no timeout. A reader's time runs from its start to its last batch.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_context_set_timeout(
    context: *mut arrowredis_context,
    milliseconds: u64,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let timeout = (milliseconds > 0).then(|| Duration::from_millis(milliseconds));
        borrow(context, "context")?.lock().timeout = timeout;
        Ok(())
    })
}

/// Gives the operations that are started from now on a cancel token.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_context_set_cancel_token(
    context: *mut arrowredis_context,
    token: *const arrowredis_cancel_token,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        borrow(context, "context")?.lock().cancel = borrow(token, "token")?.0.clone();
        Ok(())
    })
}

/// Limits the bytes that each operation which is started from now on may have in flight; 0 means the default. The
/// process's budget may allow less; one chunk is always allowed.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_context_set_max_inflight_bytes(
    context: *mut arrowredis_context,
    bytes: u64,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        borrow(context, "context")?.lock().max_inflight_bytes = (bytes > 0).then_some(bytes);
        Ok(())
    })
}

/// The figures of the latest operation that was started with this context, all zero before the first. Any thread
/// may ask while the operation runs. `out_size` is `sizeof(arrowredis_metrics)`.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_context_metrics(
    context: *const arrowredis_context,
    out: *mut arrowredis_metrics,
    out_size: usize,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let out = OutStruct::new(out, out_size, "out")?;
        let latest = borrow(context, "context")?.lock().latest.clone();
        out.set(&latest.map(|latest| (&latest.metrics()).into()).unwrap_or_default());
        Ok(())
    })
}

/// Frees a context. NULL does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_context_free(context: *mut arrowredis_context) {
    release(context);
}
