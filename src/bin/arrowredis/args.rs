//! Flags, made from the library's tables of options: one definition serves the library and the command line.

use std::ffi::OsStr;
use std::io::{self, BufRead, Read};
use std::sync::{Arc, OnceLock};

use arrowredis::options::{OptionSpec, OptionValue, Options};
use arrowredis::store::{self, S3Options, Store, StoreOptions};
use arrowredis::{Context, FileOptions, IpcFile};
use clap::builder::{PossibleValue, TypedValueParser};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::failure::Failure;
use crate::input::STANDARD;
use crate::session::Session;

/// Yes-or-no options that the original tool writes with a value.
const WITH_VALUE: [&str; 2] = ["cluster", "mmap"];

/// How an option is written on the command line.
enum Form {
    /// `--key VALUE`
    Value,
    /// `--key`
    Switch,
    /// `--key` or `--no-key`
    Pair,
    /// `--key VALUE`, as often as wanted; all hold.
    Conditions,
}

impl Form {
    fn of(spec: &OptionSpec) -> Form {
        match spec.value_type {
            "bool" if WITH_VALUE.contains(&spec.key) => Form::Value,
            "bool" if (spec.default)() == "on" => Form::Pair,
            "bool" => Form::Switch,
            "filter" => Form::Conditions,
            _ => Form::Value,
        }
    }
}

/// Adds a flag for every option of a struct; the defaults shown are those of `defaults`.
pub fn with_options<O: Options>(command: Command, defaults: &O, heading: &'static str) -> Command {
    let args = O::specs().iter().flat_map(|spec| {
        let name = spec.key.replace('_', "-");
        let help = spec.doc.lines().map(str::trim).collect::<Vec<_>>().join(" ").replace('`', "'");
        let help = help.trim().trim_end_matches('.').to_string();
        let arg = Arg::new(spec.key).long(name.clone()).help(help).help_heading(heading);
        match Form::of(spec) {
            Form::Switch => vec![arg.action(ArgAction::SetTrue)],
            Form::Pair => {
                let no = no_key(spec.key);
                let off = Arg::new(no.clone())
                    .long(format!("no-{name}"))
                    .help(format!("Turn --{name} off"))
                    .help_heading(heading)
                    .action(ArgAction::SetTrue)
                    .overrides_with(spec.key);
                vec![arg.action(ArgAction::SetTrue).overrides_with(no), off]
            }
            Form::Conditions => {
                vec![with_value(arg, spec.value_type, spec.key).value_name("CONDITION").action(ArgAction::Append)]
            }
            Form::Value => {
                let default = defaults.get(spec.key).unwrap_or_default();
                vec![
                    with_value(arg, spec.value_type, spec.key).default_values((!default.is_empty()).then_some(default)),
                ]
            }
        }
    });
    let args: Vec<Arg> = args.collect();
    command.args(args)
}

/// A flag with a value that is no option of the library.
pub fn value_flag<T: OptionValue>(key: &'static str, help: &'static str, default: Option<&'static str>) -> Arg {
    with_value(Arg::new(key).long(key.replace('_', "-")).help(help), T::TYPE, key).default_values(default)
}

fn with_value(arg: Arg, value_type: &'static str, key: &'static str) -> Arg {
    let name = match value_type {
        "integer" => "N".to_string(),
        "duration" => "SECONDS".to_string(),
        "bytes" => "BYTES".to_string(),
        "list" => "LIST".to_string(),
        "bool" => "on|off".to_string(),
        words if words.contains('|') => words.to_string(),
        _ => key.rsplit('_').next().unwrap_or(key).to_uppercase(),
    };
    let words = if name.contains('|') { name.split('|').map(str::to_string).collect() } else { Vec::new() };
    arg.value_name(name).value_parser(Words(words)).hide_possible_values(true)
}

/// Accepts any text, for the library says what is acceptable, and tells help and completions the usual words.
#[derive(Clone)]
struct Words(Vec<String>);

impl TypedValueParser for Words {
    type Value = String;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<String, clap::Error> {
        clap::builder::StringValueParser::new().parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        (!self.0.is_empty())
            .then(|| Box::new(self.0.iter().cloned().map(PossibleValue::new)) as Box<dyn Iterator<Item = _>>)
    }
}

fn no_key(key: &str) -> String {
    format!("no_{key}")
}

/// The options as the command line has them.
pub fn options<O: Options>(matches: &ArgMatches) -> Result<O, Failure> {
    let mut options = O::default();
    for spec in O::specs() {
        match Form::of(spec) {
            Form::Value => {
                if let Some(value) = matches.get_one::<String>(spec.key) {
                    options.set(spec.key, value)?;
                }
            }
            Form::Conditions => {
                let given: Vec<&String> = matches.get_many(spec.key).unwrap_or_default().collect();
                // Each by itself first, so that an error names the one that is wrong.
                given.iter().try_for_each(|condition| options.set(spec.key, condition))?;
                let all: Vec<&str> = given.iter().map(|text| text.trim()).filter(|text| !text.is_empty()).collect();
                options.set(spec.key, &all.join(" AND "))?;
            }
            Form::Switch => options.set(spec.key, on_off(matches.get_flag(spec.key)))?,
            Form::Pair => options.set(spec.key, on_off(!matches.get_flag(&no_key(spec.key))))?,
        }
    }
    Ok(options)
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// The value of a [`value_flag`].
pub fn value<T: OptionValue>(matches: &ArgMatches, key: &str) -> Result<Option<T>, Failure> {
    let Some(text) = matches.get_one::<String>(key) else { return Ok(None) };
    let parsed = T::parse(text);
    let parsed = parsed.map_err(|expected| {
        Failure::usage(format!("--{} cannot be '{text}': expected {expected}", key.replace('_', "-")))
    })?;
    Ok(Some(parsed))
}

/// The text of a flag that clap requires, or that has a default.
pub fn text<'a>(matches: &'a ArgMatches, key: &str) -> &'a str {
    matches.get_one::<String>(key).map_or("", String::as_str)
}

/// The flags of these options that were given, as they could be typed again.
pub fn given<O: Options>(matches: &ArgMatches) -> Vec<String> {
    let given = |key: &str| matches.value_source(key) == Some(ValueSource::CommandLine);
    let mut words = Vec::new();
    for spec in O::specs() {
        let name = spec.key.replace('_', "-");
        match Form::of(spec) {
            Form::Value if given(spec.key) => words.extend([format!("--{name}"), text(matches, spec.key).to_string()]),
            Form::Conditions if given(spec.key) => {
                let conditions = matches.get_many::<String>(spec.key).unwrap_or_default();
                words.extend(conditions.flat_map(|condition| [format!("--{name}"), condition.clone()]));
            }
            Form::Switch if given(spec.key) => words.push(format!("--{name}")),
            Form::Pair if given(&no_key(spec.key)) => words.push(format!("--no-{name}")),
            _ => {}
        }
    }
    words
}

/// The prefix of a dataset.
pub fn prefix_flag() -> Arg {
    Arg::new("prefix").long("prefix").value_name("PREFIX").required(true).help("Name of the dataset, such as demo:v1")
}

/// The prefix of a dataset, by its place.
pub fn prefix_place() -> Arg {
    Arg::new("prefix").value_name("PREFIX").required(true).help("Name of the dataset, such as demo:v1")
}

/// The checked prefix.
pub fn prefix(matches: &ArgMatches) -> Result<&str, Failure> {
    let prefix = text(matches, "prefix");
    arrowredis::check_prefix(prefix)?;
    Ok(prefix)
}

/// `--batches 0` means nothing.
pub fn check_batches(batches: Option<u32>) -> Result<(), Failure> {
    match batches {
        Some(0) => Err(Failure::usage("--batches cannot be '0': a partition has at least one batch")),
        _ => Ok(()),
    }
}

const STORE_HEADING: &str = "Store";

/// Adds the flags that say which store, and how to connect to it.
pub fn with_store(command: Command) -> Command {
    let url = |key: &'static str, help: &'static str| {
        Arg::new(key).long(key.replace('_', "-")).value_name("URL").help(help).help_heading(STORE_HEADING)
    };
    let command = command
        .arg(url(
            "store",
            "The store: redis://, rediss:// (TLS), unix:///SOCKET, file:///DIR. Unless given: --redis-url, or the \
             environment variable REDIS_URL",
        ))
        .arg(
            url("redis_url", "The same for a Redis server: redis://USER:PASSWORD@HOST:PORT/DB").conflicts_with("store"),
        );
    let stdin = Arg::new(PASSWORD_STDIN)
        .long("password-stdin")
        .help("Read the password for the server from the first line of standard input")
        .help_heading(STORE_HEADING)
        .action(ArgAction::SetTrue)
        .conflicts_with("password_file");
    with_options(command.arg(stdin), &StoreOptions::default(), STORE_HEADING)
}

const PASSWORD_STDIN: &str = "password_stdin";
/// What `--password-stdin` read: once for the process, however many stores a command opens.
static PASSWORD: OnceLock<String> = OnceLock::new();

/// Reads the password from standard input, if it is to come from there.
pub fn read_password(matches: &ArgMatches) -> Result<(), Failure> {
    if !matches.get_flag(PASSWORD_STDIN) || PASSWORD.get().is_some() {
        return Ok(());
    }
    if matches.try_get_one::<String>("inp").ok().flatten().is_some_and(|inp| inp == STANDARD) {
        return Err(Failure::usage("standard input cannot be both the password and the data: use --password-file"));
    }
    let mut line = String::new();
    let read = io::stdin().lock().take(MAX_PASSWORD_BYTES).read_line(&mut line);
    read.map_err(|e| Failure::usage(format!("--password-stdin: {e}")))?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(Failure::usage("--password-stdin: the first line of standard input is empty"));
    }
    PASSWORD.get_or_init(|| password.to_string());
    Ok(())
}

/// A password is a line, not a stream of any size.
const MAX_PASSWORD_BYTES: u64 = 64 << 10;

/// Opens a store with the password from standard input, or from the environment where the URL carries none.
pub fn open_url(url: &str, options: &StoreOptions) -> Result<Arc<dyn Store>, Failure> {
    let store = store::open(url, options)?;
    let is_server =
        matches!(url.split_once(':').map_or("", |(scheme, _)| scheme), "redis" | "rediss" | "unix" | "redis+unix");
    if let Some(password) = PASSWORD.get() {
        if has_password(url) {
            return Err(Failure::usage(
                "--password-stdin, but the URL carries a password, too: take it out of the URL",
            ));
        }
        store.set_credentials(None, password)?;
    } else if is_server && !has_password(url) && options.password_file.is_none() {
        let password = std::env::var("REDIS_PASSWORD").unwrap_or_default();
        if !password.is_empty() {
            store.set_credentials(None, &password)?;
        }
    }
    Ok(store)
}

/// Adds the flags that say how S3 is reached. Some are those of a store, too, and serve both.
pub fn with_s3(command: Command) -> Command {
    let taken: Vec<String> = command.get_arguments().map(|arg| arg.get_id().to_string()).collect();
    let flags = with_options(Command::new("s3"), &S3Options::default(), "S3");
    let flags: Vec<Arg> =
        flags.get_arguments().filter(|arg| !taken.iter().any(|id| arg.get_id() == id)).cloned().collect();
    command.args(flags)
}

/// How S3 is reached, as the command line has it.
pub fn s3_options(matches: &ArgMatches, session: &Session) -> Result<S3Options, Failure> {
    if matches.contains_id("aws_secret_key") {
        session.warn(
            "a secret key on the command line can be seen by other users of this computer: put the keys into the \
             environment variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead",
        );
    }
    options(matches)
}

/// Adds the flags that name an object on S3.
pub fn with_object(command: Command) -> Command {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(name.to_uppercase()).required(true).help(help)
    };
    command.arg(flag("bucket", "The bucket")).arg(flag("key", "The object's key, as it is"))
}

/// The URL of the object that [`with_object`]'s flags name.
pub fn object_url(matches: &ArgMatches) -> String {
    format!("s3://{}/{}", text(matches, "bucket"), encoded_key(text(matches, "key")))
}

/// The key of an object as it stands in a URL.
pub fn encoded_key(key: &str) -> String {
    key.replace('%', "%25").replace('?', "%3F")
}

/// Opens an IPC file by its path or its URL on S3.
pub fn open_file(
    matches: &ArgMatches,
    session: &Session,
    location: &str,
    mmap: bool,
    ctx: &Context,
) -> Result<Arc<IpcFile>, Failure> {
    let on_s3 = location.starts_with("s3://");
    let s3 = if on_s3 { s3_options(matches, session)? } else { S3Options::default() };
    let opened = IpcFile::open_at(location, &FileOptions { mmap, s3 }, ctx);
    // What is not acceptable about a file on S3 is its URL, or a flag.
    Ok(Arc::new(if on_s3 { opened? } else { opened.map_err(Failure::of_input)? }))
}

/// Where the URL of a store comes from.
pub enum StoreUrl {
    Store(String),
    Redis(String),
}

impl StoreUrl {
    pub fn url(&self) -> &str {
        match self {
            StoreUrl::Store(url) | StoreUrl::Redis(url) => url,
        }
    }
}

/// The URL that the command line or the environment gives.
pub fn store_url(matches: &ArgMatches) -> Result<Option<StoreUrl>, Failure> {
    if let Some(url) = matches.get_one::<String>("store") {
        return Ok(Some(StoreUrl::Store(url.clone())));
    }
    let (url, name) = match matches.get_one::<String>("redis_url") {
        Some(url) => (Some(url.clone()), "--redis-url"),
        None => (std::env::var("REDIS_URL").ok().filter(|url| !url.is_empty()), "the environment variable REDIS_URL"),
    };
    let Some(url) = url else { return Ok(None) };
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    match scheme {
        "redis" | "rediss" | "unix" | "redis+unix" => Ok(Some(StoreUrl::Redis(url))),
        _ => Err(Failure::usage(format!(
            "{name} must start with redis://, rediss:// or unix://; other stores are given by --store"
        ))),
    }
}

/// Opens the store that the command line or the environment gives.
pub fn open_store(matches: &ArgMatches, session: &Session) -> Result<Arc<dyn Store>, Failure> {
    let options: StoreOptions = options(matches)?;
    let url = store_url(matches)?.ok_or_else(|| {
        Failure::usage(
            "no store given: name one with --store URL (redis://, rediss://, unix://, file:///DIR), with \
             --redis-url URL, or in the environment variable REDIS_URL",
        )
    })?;
    let typed = ["store", "redis_url"].iter().any(|key| matches.contains_id(key));
    if typed && has_password(url.url()) {
        session.warn(
            "a password on the command line can be seen by other users of this computer: put the URL into the \
             environment variable REDIS_URL, or use --password-file or --password-stdin",
        );
    }
    read_password(matches)?;
    open_url(url.url(), &options)
}

/// Whether a URL carries a password.
fn has_password(url: &str) -> bool {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let (location, query) = rest.split_once('?').unwrap_or((rest, ""));
    let user_info = location.rsplit_once('@').map_or("", |(user_info, _)| user_info);
    let in_query = query.split('&').any(|pair| pair.strip_prefix("password=").is_some_and(|value| !value.is_empty()));
    in_query || user_info.split_once(':').is_some_and(|(_, password)| !password.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_seen_where_they_are() {
        for (url, expected) in [
            ("redis://localhost:6379/0", false),
            ("redis://user@localhost", false),
            ("redis://:secret@localhost", true),
            ("rediss://user:s%40ecret@localhost:1/0", true),
            ("unix:///run/redis.sock?db=1", false),
            ("unix:///run/redis.sock?db=1&password=x", true),
            ("nonsense", false),
        ] {
            assert_eq!(has_password(url), expected, "{url}");
        }
    }
}
