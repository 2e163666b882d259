//! What is measured.

use crate::origin::File;

/// One column of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// 1 KB over one connection.
    One,
    /// 1 KB over 32 connections.
    Some32,
    /// 1 KB over 256 connections.
    Many256,
    /// 1 KB, each over a connection of its own, 32 at a time.
    Close,
    /// 100 KB over 32 connections.
    Medium,
    /// 100 MB over one connection.
    Bulk,
    /// 1 KB by our own client, one after the other.
    Alone,
    /// The same beside one that downloads 100 MB again and again.
    Beside,
}

/// How a point is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// By wrk.
    Wrk {
        /// What is asked for.
        file: File,
        /// At once.
        connections: u32,
        /// `Connection: close` with each request.
        close: bool,
    },
    /// Whole downloads of [`File::Bulk`], one after the other.
    Downloads,
    /// [`File::Small`] by our own client, one after the other.
    Requests {
        /// With a bulk download beside it.
        beside_bulk: bool,
    },
}

impl Point {
    /// In the order of tables.
    pub const ALL: [Self; 8] = [
        Self::One,
        Self::Some32,
        Self::Many256,
        Self::Close,
        Self::Medium,
        Self::Bulk,
        Self::Alone,
        Self::Beside,
    ];

    /// Its name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::One => "c1",
            Self::Some32 => "c32",
            Self::Many256 => "c256",
            Self::Close => "close",
            Self::Medium => "100k",
            Self::Bulk => "100m",
            Self::Alone => "alone",
            Self::Beside => "beside",
        }
    }

    /// Its name in tables.
    pub fn title(self) -> &'static str {
        match self {
            Self::One => "1 KB, 1 conn",
            Self::Some32 => "1 KB, 32 conns",
            Self::Many256 => "1 KB, 256 conns",
            Self::Close => "1 KB, close, 32",
            Self::Medium => "100 KB, 32 conns",
            Self::Bulk => "100 MB, 1 conn",
            Self::Alone => "1 KB client alone",
            Self::Beside => "1 KB client beside bulk",
        }
    }

    /// How it is loaded.
    pub fn load(self) -> Load {
        let wrk = |file, connections, close| Load::Wrk { file, connections, close };
        match self {
            Self::One => wrk(File::Small, 1, false),
            Self::Some32 => wrk(File::Small, 32, false),
            Self::Many256 => wrk(File::Small, 256, false),
            Self::Close => wrk(File::Small, 32, true),
            Self::Medium => wrk(File::Medium, 32, false),
            Self::Bulk => Load::Downloads,
            Self::Alone => Load::Requests { beside_bulk: false },
            Self::Beside => Load::Requests { beside_bulk: true },
        }
    }
}
