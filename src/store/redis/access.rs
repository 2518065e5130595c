//! Who we are and whom we trust: one for all connections of a store, and replaceable while it is in use.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ClientConfig;

use super::tls;
use super::url::{Address, Credentials, Target};
use crate::error::{Error, Result};
use crate::runtime::runtime;
use crate::store::StoreOptions;

/// A password is a line, not a file of any size.
const MAX_PASSWORD_BYTES: u64 = 64 << 10;

/// How the connections of a store identify themselves and check their server.
pub(super) struct Access {
    tls: Option<Arc<ClientConfig>>,
    /// The user that the store was opened with, for passwords that come later without one.
    user: Option<Vec<u8>>,
    login: RwLock<Login>,
    /// Grows with every change of the login, so that connections of an older one are given up.
    generation: AtomicU64,
    /// What the quickest login took, in microseconds; `u64::MAX` before the first.
    quickest_login: AtomicU64,
}

/// Where the credentials come from.
#[derive(Clone)]
enum Login {
    Nobody,
    Known(Credentials),
    /// Read again for every connection, so that whoever rotates the password need only replace the file.
    File {
        user: Option<Vec<u8>>,
        path: PathBuf,
    },
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("tls", &self.tls.is_some()).finish_non_exhaustive()
    }
}

impl Access {
    /// What URL and options say. Files are looked at here, so that a wrong path shows at once.
    pub(super) fn new(target: &Target, options: &StoreOptions) -> Result<Arc<Access>> {
        let tls = match target.address {
            Address::Tcp { tls: true, .. } => Some(tls::client_config(options)?),
            _ => {
                tls::refuse_options(options)?;
                None
            }
        };
        let login = login(target, options)?;
        let user = match &login {
            Login::Known(credentials) => credentials.user.clone(),
            Login::File { user, .. } => user.clone(),
            Login::Nobody => options.user.clone().map(String::into_bytes),
        };
        let (generation, quickest_login) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
        Ok(Arc::new(Access { tls, user, login: RwLock::new(login), generation, quickest_login }))
    }

    pub(super) fn tls(&self) -> Option<&Arc<ClientConfig>> {
        self.tls.as_ref()
    }

    /// The credentials for a new connection.
    pub(super) async fn credentials(&self) -> Result<Option<Credentials>> {
        let login = self.login.read().unwrap_or_else(PoisonError::into_inner).clone();
        match login {
            Login::Nobody => Ok(None),
            Login::Known(credentials) => Ok(Some(credentials)),
            Login::File { user, path } => {
                let password = runtime()?.blocking(move || read_password(&path)).await?;
                Ok(Some(Credentials { user, password }))
            }
        }
    }

    /// Another password from now on, of another user if one is given.
    pub(super) fn replace(&self, user: Option<&str>, password: &str) {
        let user = user.map(|user| user.as_bytes().to_vec()).or_else(|| self.user.clone());
        let credentials = Credentials { user, password: password.as_bytes().to_vec() };
        *self.login.write().unwrap_or_else(PoisonError::into_inner) = Login::Known(credentials);
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// A login, which is one round trip, took so long.
    pub(super) fn logged_in(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.quickest_login.fetch_min(micros, Ordering::Relaxed);
    }

    /// What the quickest login took; zero before the first.
    pub(super) fn quickest_login(&self) -> Duration {
        match self.quickest_login.load(Ordering::Relaxed) {
            u64::MAX => Duration::ZERO,
            micros => Duration::from_micros(micros),
        }
    }
}

fn login(target: &Target, options: &StoreOptions) -> Result<Login> {
    let user = options.user.as_ref().map(|user| user.clone().into_bytes());
    match (&target.credentials, &options.password_file) {
        (Some(_), Some(_)) => Err(Error::invalid_argument(
            "option 'password_file' is set, but the URL carries a password, too: take it out of the URL",
        )),
        (Some(_), None) if user.is_some() => Err(Error::invalid_argument(
            "option 'user' is set, but the URL carries a user or a password, too: put both into the URL, or neither",
        )),
        (Some(credentials), None) => Ok(Login::Known(credentials.clone())),
        (None, Some(path)) => {
            let path = PathBuf::from(path);
            read_password(&path).map_err(|e| Error::invalid_argument(e.message()))?;
            Ok(Login::File { user, path })
        }
        // The user alone is for credentials that come later.
        (None, None) => Ok(Login::Nobody),
    }
}

/// The file's content without the newline at its end. A file that is being replaced may be there the next time.
fn read_password(path: &Path) -> Result<Vec<u8>> {
    use std::io::Read;
    let unusable = |why: &dyn fmt::Display| {
        Error::unavailable(format!("option 'password_file': the file {} cannot be used: {why}", path.display()))
    };
    let mut password = Vec::new();
    let file = std::fs::File::open(path).map_err(|e| unusable(&e))?;
    file.take(MAX_PASSWORD_BYTES + 1).read_to_end(&mut password).map_err(|e| unusable(&e))?;
    if password.len() as u64 > MAX_PASSWORD_BYTES {
        return Err(unusable(&"it is larger than a password can be"));
    }
    if password.last() == Some(&b'\n') {
        password.pop();
    }
    if password.last() == Some(&b'\r') {
        password.pop();
    }
    if password.is_empty() { Err(unusable(&"it is empty")) } else { Ok(password) }
}
