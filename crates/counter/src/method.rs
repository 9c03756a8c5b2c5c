//! The versions of the counting method.

/// Version of the counting method, kept with every download.
pub const METHOD_VERSION: i64 = 2;

/// One version of the method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// Its number.
    pub version: i64,
    /// What changed against the one before, in Japanese.
    pub ja: &'static str,
    /// What changed against the one before, in English.
    pub en: &'static str,
}

/// All versions, oldest first. From which day on each counted is kept with the figures, not here: catalogs are upgraded on days of their own.
pub const METHODS: &[Method] = &[
    Method {
        version: 1,
        ja: "最初の版。COUNTER 研究データ実務指針（1.0.1）に沿って、ファイルを渡した要求を数え、30 秒以内の再要求を 1 回とし、ロボットを除く。",
        en: "The first version: requests that handed over a file, by the COUNTER Code of Practice for Research Data 1.0.1; repetitions within 30 seconds are one, robots are left out",
    },
    Method {
        version: 2,
        ja: "ロボット・監視・プログラムの一覧を広げ、「compatible」と名乗るだけのものをロボットとした。利用者ごとの数（1 時間単位のセッション）を加えた。日付をまたぐ二重クリックも 1 回とする。ZIP・変換・検索・API・MCP の経路を加えた。",
        en: "The table of robots, monitors and programs is larger, and what only calls itself compatible is a robot; unique counts by sessions of an hour are new; a double click over midnight is one; ZIP, conversion, query, API and MCP are channels of their own",
    },
];

/// A rule of counting that no single request is refused for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Principle {
    /// Short name.
    pub id: &'static str,
    /// Where the rule comes from.
    pub clause: &'static str,
    /// The rule in Japanese.
    pub ja: &'static str,
    /// The rule in English.
    pub en: &'static str,
}

/// How what counts is counted.
#[rustfmt::skip]
pub const PRINCIPLES: &[Principle] = &[
    Principle {
        id: "double_click",
        clause: "COUNTER RD 10.2: of two clicks within 30 seconds the second is kept, and a third is compared with the second",
        ja: "同じ利用者が同じファイルを同じ方法で 30 秒以内に続けて求めたときは、最後の 1 回だけを数えます。日付をまたぐときも同じです。",
        en: "the same file asked for again by the same visitor in the same way within 30 seconds counts once, as the last; also over midnight",
    },
    Principle {
        id: "session",
        clause: "COUNTER RD 10.3 and COUNTER 5, 7.3: user, else cookie, else address and agent, each with date and hour",
        ja: "利用者の区別は、サインインした利用者、なければ IP アドレスと User-Agent を、毎日捨てる鍵で変えた値で行い、1 時間ごとに区切ります（セッション）。",
        en: "a visitor is the signed-in user, else address and agent, made unrecognizable with a key that is destroyed daily, and a session ends with the hour",
    },
    Principle {
        id: "unique",
        clause: "COUNTER RD 3.3: Total_Dataset_Requests and Unique_Dataset_Requests; adapted: also by file",
        ja: "「延べ数」はすべての回数、「利用者数」は同じセッションの同じファイル（またはデータセット）を 1 と数えた数です。",
        en: "totals are all of them; uniques count a session once for each file, or for each dataset",
    },
    Principle {
        id: "request_and_investigation",
        clause: "COUNTER RD 3.3: requests hand over content, investigations are about it",
        ja: "ファイルを渡した回数だけをダウンロードと呼びます。ページの表示やプレビューは「閲覧」として分けて数えます。",
        en: "only handing over a file is called a download; looking at pages and previews is counted apart, as views",
    },
    Principle {
        id: "zip",
        clause: "COUNTER RD 3.3: one request of the dataset",
        ja: "データセットのファイルをまとめた ZIP は、ファイルの数によらず、データセットのダウンロード 1 回です。",
        en: "a ZIP of all files is one download of the dataset, whatever the number of files",
    },
    Principle {
        id: "history",
        clause: "Reporting rule of the prefecture: counts go on when a file is replaced and stay when a dataset is withdrawn",
        ja: "ファイルを差し替えても数は続き、データセットの公開を終えても過去の数は合計に残ります。組織は、そのときの組織です。",
        en: "counts go on when a file is replaced and stay in the totals when a dataset is withdrawn; the organization is the one at the time",
    },
];
