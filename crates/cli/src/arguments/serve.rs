//! The flags of `serve`.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub struct ServeArguments {
    /// A model to offer besides the built-in one and those of the catalogue that are on this machine: a network, a folder, or a
    /// name that `deepinside model list` knows. May be given several times; the first becomes the default.
    #[arg(short, long = "model", value_name = "PATH")]
    pub models: Vec<PathBuf>,
    /// Where to listen: an address, or ADDRESS:PORT. Other machines reach addresses other than 127.0.0.1; a token is needed then,
    /// which is part of the printed URL (or taken from the environment variable
    /// DEEPINSIDE_TOKEN, which makes it needed on 127.0.0.1, too).
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub address: ListenAddress,
    /// The port; 0 is a free one. By default 7878, or a free one where that is taken.
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Open the page in the browser.
    #[arg(long)]
    pub open: bool,
    /// A name of this machine that browsers may use besides localhost and addresses in numbers. May be given several times.
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<String>,
    /// What `deepinside exemplars` found of the first model: the page shows it beside that model's units.
    #[arg(long, value_name = "FOLDER", requires = "photographs")]
    pub exemplars: Option<PathBuf>,
    /// The photographs that --exemplars are of, as they were given to `deepinside exemplars`: folders, lists, shards. May be given several
    /// times.
    #[arg(long, value_name = "INPUT", requires = "exemplars")]
    pub photographs: Vec<OsString>,
    /// What `deepinside evaluate classification --details` wrote of the first model: the page shows which classes it takes for which.
    #[arg(long, value_name = "DETAILS")]
    pub confusions: Option<PathBuf>,
    /// Let the page upload models (.onnx).
    #[arg(long)]
    pub allow_model_upload: bool,
    /// The number of threads; all cores by default. It never changes a result.
    #[arg(long, default_value_t = 0, hide_default_value = true, value_name = "N")]
    pub threads: usize,
    #[command(flatten)]
    pub limits: LimitArguments,
}

/// What is too much.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitArguments {
    /// The longest photograph file, in megabytes.
    #[arg(long, value_name = "MB", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub maximum_upload: u32,
    /// The most pixels of a photograph, in millions.
    #[arg(long, value_name = "MILLIONS", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub maximum_pixels: u32,
    /// How many photographs a client may upload a minute.
    #[arg(long, value_name = "N", default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..))]
    pub uploads_a_minute: u32,
    /// How many computations run at once; each uses all threads.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub workers: u32,
    /// How many computations wait; clients beyond are asked to come again.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(0..=4096))]
    pub waiting: u32,
    /// After how many seconds a computation is stopped.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86400))]
    pub job_time: u32,
}

/// An address with or without a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenAddress {
    /// The address.
    pub ip: IpAddr,
    /// The port, where one is named.
    pub port: Option<u16>,
}

impl std::str::FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self { ip: address.ip(), port: Some(address.port()) });
        }
        match text {
            "localhost" => Ok(Self { ip: IpAddr::from([127, 0, 0, 1]), port: None }),
            _ => text.parse().map(|ip| Self { ip, port: None }).map_err(|_| {
                format!("expected an address in numbers such as 127.0.0.1, 0.0.0.0:8080 or [::1]:8080, found '{text}'")
            }),
        }
    }
}

impl std::fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.ip, port).fmt(formatter),
            None => self.ip.fmt(formatter),
        }
    }
}
