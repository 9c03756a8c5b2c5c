//! Inventories (オープンデータ一覧) as CSV or Excel, in both published layouts.
//!
//! A list of any length is read twice from disk: first for the datasets and the places of their rows, then dataset by dataset.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use chrono::NaiveDate;
use minato_catalog::{
    ContactPoint, DistributionDraft, HarvestSourceDraft, HarvestedRecord, RecordFailure, Spatial, Text, Vocabulary, find_local_government,
    format_of_file_name, is_local_government_code, jst_day, parse_period,
};
use minato_dcat::language_code;
use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;
use url::Url;

use self::table::{Place, Row, Table, first_table};
use crate::client::{Client, Spooled};
use crate::convert::{Record, fold};
use crate::listing::{End, Run, Stop};

mod table;
mod workbook;

const ACCEPT: &str =
    "text/csv, application/vnd.openxmlformats-officedocument.spreadsheetml.sheet;q=0.9, application/vnd.ms-excel;q=0.8, */*;q=0.5";

pub(crate) async fn read(source: &HarvestSourceDraft, client: &Client, vocabulary: &Vocabulary, run: &mut Run) -> Result<End, Stop> {
    let spooled = client.spool(&source.url, ACCEPT).await?;
    if spooled.is_html() {
        return Err(Text::new(
            format!("{} は CSV ではなく Web ページ（HTML）を返しました。一覧ファイルそのものの URL を指定してください。", source.url),
            format!("{} is a web page (HTML), not CSV; give the address of the inventory file itself", source.url),
        )
        .into());
    }
    let base = spooled.url.clone();
    let bytes_max = client.settings().body_bytes_max;
    // Reading keeps a thread busy; and a workbook that makes its reader fall over is a broken file, not the end of a worker.
    let mut inventory = tokio::task::spawn_blocking(move || Inventory::open(spooled, bytes_max)).await.unwrap_or_else(|_| {
        Err(Text::new(
            "一覧ファイルの構造が壊れています。Excel で開いて保存し直すか、CSV（UTF-8）で公開してください。",
            "the structure of the inventory file is damaged; save it again, or publish CSV (UTF-8)",
        ))
    })?;
    for group in inventory.groups() {
        let record = inventory.record(group, vocabulary, &base)?;
        run.send(record).await?;
    }
    Ok(End { reported: None, doubt: inventory.table.doubt.take() })
}

/// The meanings that columns have in either layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Column {
    Id,
    Number,
    Code,
    Publisher,
    Prefecture,
    Municipality,
    Title,
    Subtitle,
    Description,
    Keywords,
    Theme,
    Menu,
    Issued,
    Modified,
    Version,
    Language,
    Url,
    Frequency,
    ConformsTo,
    Documents,
    Provenance,
    Spatial,
    Temporal,
    Creator,
    ContactName,
    ContactEmail,
    ContactTelephone,
    ContactExtension,
    ContactForm,
    ContactRemarks,
    Remarks,
    FileId,
    FileTitle,
    FileAccessUrl,
    FileDownloadUrl,
    FileDescription,
    Format,
    Licence,
    FileStatus,
    FileSize,
    FileIssued,
    FileModified,
    FileTerms,
    FileDocuments,
    FileLanguage,
    FileConformsTo,
    Api,
    FileRights,
}

use Column as C;

/// Names of each column, those of the municipal standard first, then those of the recommended dataset and what files have instead.
const NAMES: &[(Column, &[&str])] = &[
    (C::Id, &["データセット_ID", "データセットID", "dataset_id", "identifier"]),
    (C::Number, &["NO", "No.", "№", "番号", "通番", "連番", "ID", "項番", "property"]),
    (
        C::Code,
        &[
            "全国地方公共団体コード",
            "都道府県コード又は市区町村コード",
            "都道府県コード又は市町村コード",
            "市区町村コード",
            "市町村コード",
            "地方公共団体コード",
            "団体コード",
            "自治体コード",
            "localgov_code",
            "lgcode",
            "code",
        ],
    ),
    (C::Publisher, &["地方公共団体名", "団体名", "自治体名", "localgov_name", "publisher", "provider", "organization"]),
    (C::Prefecture, &["都道府県名", "prefName"]),
    (C::Municipality, &["市区町村名", "市町村名", "cityName"]),
    (
        C::Title,
        &[
            "データセット_タイトル",
            "データ名称",
            "データセット名",
            "データセット名称",
            "データ名",
            "データセットのタイトル",
            "dataName",
            "dataset_title",
            "dataset_name",
            "title",
            "resource_name",
        ],
    ),
    (C::Subtitle, &["データセット_サブタイトル"]),
    (C::Description, &["データセット_概要", "データ概要", "データセット_説明", "概要", "説明", "description", "notes"]),
    (C::Keywords, &["データセット_キーワード", "キーワード", "タグ", "keyword", "keywords", "tags"]),
    (C::Theme, &["データセット_分類", "分類", "カテゴリ", "カテゴリー", "分野", "category", "category_name", "theme", "groups"]),
    (C::Menu, &["データセット_ユニバーサルメニュー"]),
    (C::Issued, &["データセット_公開日", "登録日", "公開日", "掲載日", "issued", "created"]),
    (C::Modified, &["データセット_最終更新日", "最終更新日", "更新日", "modified", "updated"]),
    (C::Version, &["データセット_バージョン", "バージョン", "version"]),
    (C::Language, &["データセット_言語", "言語", "language"]),
    (C::Url, &["データセット_URL", "URL", "公開URL", "掲載URL", "リンク"]),
    (C::Frequency, &["データセット_更新頻度", "更新頻度", "更新周期", "frequency", "accrualPeriodicity", "repeat_rule_frequency"]),
    (C::ConformsTo, &["データセット_準拠する標準"]),
    (C::Documents, &["データセット_関連ドキュメント"]),
    (C::Provenance, &["データセット_来歴情報"]),
    (C::Spatial, &["データセット_対象地域", "対象地域", "spatial"]),
    (C::Temporal, &["データセット_対象期間", "対象期間", "temporal"]),
    (C::Creator, &["データセット_作成者", "作成者", "creator"]),
    (C::ContactName, &["データセット_連絡先名称", "連絡先名称", "連絡先", "担当課", "所管課", "division"]),
    (C::ContactEmail, &["データセット_連絡先メールアドレス", "メールアドレス"]),
    (C::ContactTelephone, &["データセット_連絡先電話番号", "電話番号", "tel"]),
    (C::ContactExtension, &["データセット_連絡先内線番号"]),
    (C::ContactForm, &["データセット_連絡先FormURL"]),
    (C::ContactRemarks, &["データセット_連絡先備考（その他、SNSなど）"]),
    (C::Remarks, &["データセット_備考", "備考", "note", "remarks", "comment"]),
    (C::FileId, &["ファイル_ID"]),
    (C::FileTitle, &["ファイル_タイトル", "ファイル_名称", "ファイル名", "res_title", "resource_title"]),
    (C::FileAccessUrl, &["ファイル_アクセスURL", "accessURL"]),
    (C::FileDownloadUrl, &["ファイル_ダウンロードURL", "ダウンロードURL", "downloadURL"]),
    (C::FileDescription, &["ファイル_説明"]),
    (C::Format, &["ファイル_形式", "データ形式", "ファイルタイプ", "形式", "format", "formats"]),
    (C::Licence, &["ファイル_ライセンス", "ライセンス", "データセット_ライセンス", "利用ルール", "license", "licence"]),
    (C::FileStatus, &["ファイル_ステータス"]),
    (C::FileSize, &["ファイル_サイズ"]),
    (C::FileIssued, &["ファイル_公開日"]),
    (C::FileModified, &["ファイル_最終更新日"]),
    (C::FileTerms, &["ファイル_利用規約"]),
    (C::FileDocuments, &["ファイル_関連ドキュメント"]),
    (C::FileLanguage, &["ファイル_言語"]),
    (C::FileConformsTo, &["ファイル_準拠する標準"]),
    (C::Api, &["ファイル_API対応有無", "API対応有無", "apiSupport"]),
    (C::FileRights, &["ファイル_著作権表記"]),
];

/// Rows before the header (titles, notes) that are tolerated.
const HEADER_ROW_MAX: usize = 20;

/// Fewest known columns that make a row a header: one word alone may stand anywhere.
const HEADER_COLUMNS_MIN: usize = 3;
/// Most rows that are read of one dataset; a few more than it may have distributions.
const GROUP_ROWS_MAX: usize = 2_500;

/// An inventory whose rows were told apart and are still on disk.
#[derive(Debug)]
struct Inventory {
    table: Table,
    columns: HashMap<Column, usize>,
    header: Vec<String>,
    /// What local government codes of this file lack.
    codes: CodeHabit,
    /// Group and place of every row, sorted: the rows of one dataset stand together here, in the order of the file.
    rows: Vec<(u32, Place)>,
}

/// How a file writes local government codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CodeHabit {
    /// With six digits; a shorter one has lost its leading zero to a spreadsheet program.
    Whole,
    /// With five digits: the check digit was never written.
    WithoutCheckDigit,
}

impl Inventory {
    fn open(spooled: Spooled, bytes_max: u64) -> Result<Inventory, Text> {
        first_table(spooled.file, bytes_max, Inventory::of_table)?.ok_or_else(|| {
            Text::new(
                "見出し行に「データセット_タイトル」または「データ名称」の列がありません。オープンデータ一覧の標準の列名を使ってください。",
                "no header row has the column `データセット_タイトル` or `データ名称`; use the standard column names of the open data inventory",
            )
        })
    }

    /// The first reading; `None` when there is no header.
    fn of_table(mut table: Table) -> Result<Option<Inventory>, Text> {
        let mut header = None;
        for _ in 0..HEADER_ROW_MAX {
            match table.next()? {
                Some((_, row)) if is_header(&row.cells) => header = Some(row.cells),
                Some(_) => continue,
                None => {}
            }
            break;
        }
        let Some(header) = header else { return Ok(None) };
        let mut columns = HashMap::new();
        for (index, cell) in header.iter().enumerate() {
            if let Some(column) = column_of(cell) {
                columns.entry(column).or_insert(index);
            }
        }
        let mut inventory = Inventory { table, columns, header, codes: CodeHabit::Whole, rows: Vec::new() };
        inventory.find_rows()?;
        Ok(Some(inventory))
    }

    /// Which rows belong together: those of one id; rows without an id belong to their title and publisher.
    fn find_rows(&mut self) -> Result<(), Text> {
        let mut by_id: HashMap<Key, u32> = HashMap::new();
        let mut by_title: HashMap<Key, u32> = HashMap::new();
        let (mut groups, mut last) = (0, None::<(u32, usize)>);
        let (mut lacks_check_digit, mut has_whole_code) = (false, false);
        while let Some((place, mut row)) = self.table.next()? {
            if row.cells.iter().all(String::is_empty) {
                continue;
            }
            last = Some((row.number, row.cells.len()));
            self.fill_up(&mut row);
            let code = bare_code(self.cell(&row, C::Code));
            has_whole_code |= is_local_government_code(&code);
            let is_prefix = || find_local_government(&self.publisher(&row)).is_some_and(|whole| whole.starts_with(&code));
            lacks_check_digit |= code.len() == 5 && (!is_local_government_code(&format!("0{code}")) || is_prefix());
            let title = key(&[&fold(self.cell(&row, C::Title)), &fold(&self.publisher(&row))]);
            let declared = self.declared_id(&row).map(|id| key(&[&id]));
            let known = match &declared {
                Some(id) => by_id.get(id),
                None => by_title.get(&title),
            };
            let group = known.copied().unwrap_or_else(|| {
                groups += 1;
                groups - 1
            });
            if let Some(id) = declared {
                by_id.entry(id).or_insert(group);
            }
            by_title.entry(title).or_insert(group);
            self.rows.push((group, place));
        }
        // Five digits may be either: the column decides and not the cell, as a file is of one habit.
        if lacks_check_digit && !has_whole_code {
            self.codes = CodeHabit::WithoutCheckDigit;
        }
        if let Some((number, cells)) = last
            && cells < self.header.len()
            && !self.table.is_from_workbook()
            && self.table.doubt.is_none()
        {
            self.table.doubt = Some(Text::new(
                format!("最後の行（{number} 行目）の列が足りません。ファイルが途中で切れていないか確認してください。"),
                format!("the last row (row {number}) has too few columns; check that the file is whole"),
            ));
        }
        // Places rise within the file, so equal groups keep the file's order.
        self.rows.sort_by_key(|(group, _)| *group);
        Ok(())
    }

    /// Workbooks have no cells behind a row's last value.
    fn fill_up(&self, row: &mut Row) {
        if self.table.is_from_workbook() && row.cells.len() < self.header.len() {
            row.cells.resize(self.header.len(), String::new());
        }
    }

    /// The rows of each dataset, in the order of their first rows.
    fn groups(&self) -> Vec<Range<usize>> {
        let mut groups = Vec::new();
        let mut start = 0;
        for rows in self.rows.chunk_by(|(a, _), (b, _)| a == b) {
            groups.push(start..start + rows.len());
            start += rows.len();
        }
        groups
    }

    /// The second reading: one dataset. Fails only when the temporary file cannot be read.
    fn record(&mut self, group: Range<usize>, vocabulary: &Vocabulary, base: &Url) -> Result<Result<HarvestedRecord, RecordFailure>, Text> {
        let mut rows = Vec::new();
        for index in group.clone().take(GROUP_ROWS_MAX) {
            let mut row = self.table.at(self.rows[index].1)?;
            self.fill_up(&mut row);
            rows.push(row);
        }
        let reader =
            Reader { columns: &self.columns, header: &self.header, codes: self.codes, notices: &self.table.notices, vocabulary, base };
        Ok(reader.record(&rows))
    }

    fn cell<'r>(&self, row: &'r Row, column: Column) -> &'r str {
        cell(&self.columns, row, column)
    }

    fn declared_id(&self, row: &Row) -> Option<String> {
        Some(narrow(self.cell(row, C::Id))).filter(|id| !id.is_empty())
    }

    fn publisher(&self, row: &Row) -> String {
        publisher(&self.columns, row)
    }
}

fn cell<'r>(columns: &HashMap<Column, usize>, row: &'r Row, column: Column) -> &'r str {
    columns.get(&column).and_then(|index| row.cells.get(*index)).map(String::as_str).unwrap_or_default()
}

fn publisher(columns: &HashMap<Column, usize>, row: &Row) -> String {
    let name = cell(columns, row, C::Publisher);
    if name.is_empty() { format!("{}{}", cell(columns, row, C::Prefecture), cell(columns, row, C::Municipality)) } else { name.to_owned() }
}

/// Texts are compared by half of their SHA-256: a hundred thousand titles would take a hundred megabytes.
type Key = [u8; 16];

fn key(parts: &[&str]) -> Key {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    let mut key = Key::default();
    key.copy_from_slice(&hasher.finalize()[..16]);
    key
}

/// A local government code as it stands there: digits without what spreadsheet programs put around them.
fn bare_code(text: &str) -> String {
    let code = narrow(text);
    let code = code.trim_start_matches('=').trim_matches('"').trim();
    code.strip_suffix(".0").unwrap_or(code).to_owned()
}

/// What it takes to make records of rows.
struct Reader<'a> {
    columns: &'a HashMap<Column, usize>,
    header: &'a [String],
    codes: CodeHabit,
    notices: &'a [Text],
    vocabulary: &'a Vocabulary,
    base: &'a Url,
}

impl Reader<'_> {
    fn cell<'r>(&self, row: &'r Row, column: Column) -> &'r str {
        cell(self.columns, row, column)
    }

    fn publisher(&self, row: &Row) -> String {
        publisher(self.columns, row)
    }

    /// データセット_ID. The older layout has none: its NO is the number of the row in many files and moves when a row goes.
    fn declared_id(&self, row: &Row) -> Option<String> {
        Some(narrow(self.cell(row, C::Id))).filter(|id| !id.is_empty())
    }

    /// NO of the older layout, which counts within its body only; tells a renamed dataset from a new one.
    fn alternate_id(&self, row: &Row) -> Option<String> {
        if self.columns.contains_key(&C::Id) {
            return None;
        }
        let number = narrow(self.cell(row, C::Number));
        let code = self.code(row);
        (!number.is_empty()).then(|| if code.is_empty() { number.clone() } else { format!("{code}-{number}") })
    }

    /// The identity of a dataset without any id.
    fn title_id(&self, row: &Row) -> String {
        let publisher = Some(self.code(row)).filter(|code| !code.is_empty()).unwrap_or_else(|| self.publisher(row));
        let title = self.cell(row, C::Title);
        if publisher.is_empty() { title.to_owned() } else { format!("{publisher}:{title}") }
    }

    /// The local government code with all its digits.
    fn code(&self, row: &Row) -> String {
        let code = bare_code(self.cell(row, C::Code));
        if code.len() != 5 || !code.bytes().all(|b| b.is_ascii_digit()) {
            return code;
        }
        let padded = format!("0{code}");
        let whole = match self.codes {
            CodeHabit::Whole => Some(padded).filter(|code| is_local_government_code(code)),
            CodeHabit::WithoutCheckDigit => (0..10).map(|digit| format!("{code}{digit}")).find(|code| is_local_government_code(code)),
        };
        whole.unwrap_or(code)
    }

    fn record(&self, rows: &[Row]) -> Result<HarvestedRecord, RecordFailure> {
        let id = rows
            .first()
            .and_then(|first| self.declared_id(first).or_else(|| (!self.cell(first, C::Title).is_empty()).then(|| self.title_id(first))));
        let numbers: Vec<String> = rows.iter().take(POSITION_ROWS_MAX).map(|row| row.number.to_string()).collect();
        let more = if rows.len() > POSITION_ROWS_MAX { " …" } else { "" };
        let position = format!("row {}{more}", numbers.join(", "));
        let at_ja = format!("{}{more} 行目", numbers.join("・"));
        let raw = self.raw(rows);
        let fail = |cause: Text| RecordFailure {
            remote_id: id.clone(),
            position: position.clone(),
            cause: Text::new(format!("{at_ja}: {}", cause.ja), format!("{position}: {}", cause.en)),
            raw: Some(raw.clone()),
        };
        // A dataset with one unreadable row would lose that file, so none of it is taken over.
        if let Some((row, fault)) = rows.iter().find_map(|row| shape_fault(row, self.header.len()).map(|fault| (row, fault))) {
            let mut failure = fail(fault.clone());
            if rows.len() > 1 {
                failure.cause = Text::new(format!("{} 行目: {}", row.number, fault.ja), format!("row {}: {}", row.number, fault.en));
            }
            return Err(failure);
        }
        let Some(first) = rows.first() else {
            return Err(fail(Text::new("行がありません。", "there is no row")));
        };
        let title = self.cell(first, C::Title);
        if title.is_empty() {
            return Err(fail(Text::new("データセットのタイトルがありません。入力してください。", "the dataset has no title; give it one")));
        }
        let Some(remote_id) = id.clone() else {
            return Err(fail(Text::new("データセット_ID もタイトルもありません。", "there is neither データセット_ID nor a title")));
        };
        if let Some(other) = rows.iter().find(|row| !self.cell(row, C::Title).is_empty() && fold(self.cell(row, C::Title)) != fold(title)) {
            return Err(fail(Text::new(
                format!(
                    "同じ ID「{remote_id}」に異なるタイトル「{title}」と「{}」があります。データセットごとに別の ID を付けてください。",
                    self.cell(other, C::Title)
                ),
                format!(
                    "the id `{remote_id}` stands for `{title}` and for `{}`; give each dataset an id of its own",
                    self.cell(other, C::Title)
                ),
            )));
        }
        let mut record = Record::new(self.vocabulary);
        record.notices = self.notices.to_vec();
        self.dataset(&mut record, first);
        let mut licences: Vec<(Option<String>, Option<String>)> = Vec::new();
        let mut distributions = Vec::new();
        for row in rows {
            let (licence, format) = self.licence_and_format(&mut record, row);
            for distribution in self.distributions(&mut record, row, &format) {
                if !distributions.contains(&distribution) {
                    distributions.push(distribution);
                    licences.push(licence.clone());
                }
            }
            if distributions.is_empty() {
                record.draft.licence.clone_from(&licence.0);
                record.draft.licence_text.clone_from(&licence.1);
            }
        }
        if distributions.is_empty()
            && let Some((header, address)) = self.broken_address(first)
        {
            return Err(fail(Text::new(
                format!(
                    "「{header}」の値「{address}」は URL ではなく、ほかにファイルもありません。http:// または https:// で始まる URL を入力してください。"
                ),
                format!(
                    "`{address}` under {header} is no URL and there is no other file; give an address that begins with http:// or https://"
                ),
            )));
        }
        if let Some(first) = licences.first().cloned() {
            (record.draft.licence, record.draft.licence_text) = first.clone();
            for (distribution, own) in distributions.iter_mut().zip(licences).filter(|(_, own)| *own != first) {
                distribution.licence = own.0;
                distribution.extras.extend(own.1.map(|words| ("licence_text".to_owned(), words)));
            }
        }
        record.draft.distributions = Some(distributions);
        let remote_url = record.draft.landing_page.clone();
        let alternate_id = self.alternate_id(first);
        let finished = record.finish(remote_id, remote_url, &position, raw.clone())?;
        Ok(HarvestedRecord { alternate_id, ..finished })
    }

    fn dataset(&self, record: &mut Record<'_>, row: &Row) {
        let base = self.base;
        let cell = |column| self.cell(row, column);
        record.draft.title = cell(C::Title).to_owned();
        record.draft.identifier = Some(narrow(cell(C::Id))).filter(|id| !id.is_empty());
        record.draft.description = cell(C::Description).to_owned();
        for word in cell(C::Keywords).split([';', '；', ',', '，', '、', '､', '\n']) {
            record.keyword(word);
        }
        for theme in cell(C::Theme).split([';', '；', ',', '，', '、', '\n']) {
            record.theme(&[theme]);
        }
        record.draft.landing_page = record.address("landing_page", cell(C::Url), Some(base), None);
        if self.is_file(cell(C::Url)) {
            record.draft.landing_page = None;
        }
        record.draft.creator = some(cell(C::Creator));
        let telephone = match (cell(C::ContactTelephone), cell(C::ContactExtension)) {
            ("", _) => None,
            (number, "") => Some(number.to_owned()),
            (number, extension) => Some(format!("{number}（内線 {extension}）")),
        };
        let form = record.address("contact_form", cell(C::ContactForm), Some(base), None);
        let contact = ContactPoint { name: some(cell(C::ContactName)), email: some(cell(C::ContactEmail)), telephone, url: form };
        record.draft.contact_point = Some(contact).filter(|contact| *contact != ContactPoint::default());
        record.frequency(cell(C::Frequency));
        record.draft.issued = record.moment("公開日", &date(cell(C::Issued))).map(jst_day);
        record.draft.modified = record.moment("最終更新日", &date(cell(C::Modified)));
        record.draft.spatial = some(cell(C::Spatial)).map(|label| Spatial { label: Some(label), ..Spatial::default() });
        match parse_period(cell(C::Temporal)) {
            Some(period) => record.draft.temporal = Some(period),
            None => record.extra("temporal", cell(C::Temporal)),
        }
        record.draft.language = languages(cell(C::Language));
        record.draft.version = some(cell(C::Version));
        record.draft.conforms_to = cell(C::ConformsTo).split([';', '；', '\n']).filter_map(some).collect();
        let publisher = self.publisher(row);
        for (key, value) in [
            ("subtitle", cell(C::Subtitle)),
            ("universal_menu", cell(C::Menu)),
            ("documentation", cell(C::Documents)),
            ("provenance", cell(C::Provenance)),
            ("contact_remarks", cell(C::ContactRemarks)),
            ("remarks", cell(C::Remarks)),
            ("publisher_name", &publisher),
        ] {
            record.extra(key, value);
        }
    }

    /// The licence and the format cell of a row. Files are published in which these stand one column beside their headers.
    fn licence_and_format(&self, record: &mut Record<'_>, row: &Row) -> ((Option<String>, Option<String>), String) {
        let (licence, format, status) = (self.cell(row, C::Licence), self.cell(row, C::Format), self.cell(row, C::FileStatus));
        let known_licence = |text: &str| !text.is_empty() && record.vocabulary.find_licence(text).is_some();
        if known_licence(format) && !known_licence(licence) {
            record.notice(
                "ライセンスが 1 列左（ファイル形式の列）に入力されていたため、読み替えました。列のずれを直してください。",
                "the licence stood one column to the left, under the format, and was read from there; mend the shifted columns",
            );
            let format = if formats(record.vocabulary, licence).is_empty() { "" } else { licence };
            let licence = record.licence(&[self.cell(row, C::Format)]);
            return (licence, format.to_owned());
        }
        if format.is_empty()
            && !status.is_empty()
            && formats(record.vocabulary, status).iter().all(|format| KNOWN_FORMATS.contains(&format.as_str()))
        {
            record.notice(
                "ファイル形式が「ファイル_ステータス」の列に入力されていたため、読み替えました。列のずれを直してください。",
                "the format stood under ファイル_ステータス and was read from there; mend the shifted columns",
            );
            return (record.licence(&[licence]), status.to_owned());
        }
        (record.licence(&[licence]), format.to_owned())
    }

    /// The files of a row: the one it names, else one for each format behind its page.
    fn distributions(&self, record: &mut Record<'_>, row: &Row, format: &str) -> Vec<DistributionDraft> {
        let base = self.base;
        let cell = |column| self.cell(row, column);
        let mut extras = BTreeMap::new();
        for (key, column) in [
            ("status", C::FileStatus),
            ("terms", C::FileTerms),
            ("documentation", C::FileDocuments),
            ("api", C::Api),
            ("rights", C::FileRights),
        ] {
            if !cell(column).is_empty() && cell(column) != format {
                extras.insert(key.to_owned(), cell(column).to_owned());
            }
        }
        let mut download_url = record.address("ファイル_ダウンロードURL", cell(C::FileDownloadUrl), Some(base), Some(&mut extras));
        let mut access_url = record.address("ファイル_アクセスURL", cell(C::FileAccessUrl), Some(base), Some(&mut extras));
        let names_file = download_url.is_some() || access_url.is_some() || !cell(C::FileId).is_empty() || !cell(C::FileTitle).is_empty();
        // Some lists name the files and give their addresses under the dataset's URL.
        let is_addressed = download_url.is_some() || access_url.is_some();
        if !names_file || (!is_addressed && self.is_file(cell(C::Url))) {
            let address = crate::convert::usable_url(cell(C::Url), Some(base)).filter(|_| !cell(C::Url).is_empty());
            match address {
                Some(address) if self.is_file(&address) => download_url = Some(address),
                address => access_url = address,
            }
        }
        let formats = formats(record.vocabulary, format);
        let size = cell(C::FileSize);
        let byte_size = byte_size(size);
        if byte_size.is_none() && !size.is_empty() {
            extras.insert("size".to_owned(), size.to_owned());
        }
        let draft = DistributionDraft {
            title: cell(C::FileTitle).to_owned(),
            description: cell(C::FileDescription).to_owned(),
            access_url,
            download_url,
            byte_size,
            issued: record.moment("ファイル_公開日", &date(cell(C::FileIssued))).map(jst_day),
            modified: record.moment("ファイル_最終更新日", &date(cell(C::FileModified))),
            language: languages(cell(C::FileLanguage)),
            conforms_to: cell(C::FileConformsTo).split([';', '；', '\n']).filter_map(some).collect(),
            identifier: some(cell(C::FileId)),
            extras,
            ..DistributionDraft::default()
        };
        if names_file || draft.download_url.is_some() {
            let by_name = draft.download_url.as_deref().and_then(format_of_file_name).or_else(|| format_of_file_name(&draft.title));
            let format = formats.first().cloned().filter(|_| formats.len() == 1).or(by_name).or_else(|| formats.first().cloned());
            return vec![DistributionDraft { format, ..draft }];
        }
        if draft.access_url.is_none() {
            return Vec::new();
        }
        if formats.is_empty() {
            return vec![draft];
        }
        formats.into_iter().map(|format| DistributionDraft { title: format.clone(), format: Some(format), ..draft.clone() }).collect()
    }

    /// The first cell for an address that holds something else.
    fn broken_address(&self, row: &Row) -> Option<(&str, String)> {
        [C::FileDownloadUrl, C::FileAccessUrl, C::Url].into_iter().find_map(|column| {
            let cell = self.cell(row, column);
            let broken = !cell.is_empty() && crate::convert::usable_url(cell, Some(self.base)).is_none();
            let header = self.columns.get(&column).and_then(|index| self.header.get(*index))?;
            broken.then(|| (header.as_str(), cell.chars().take(100).collect()))
        })
    }

    /// Whether an address is that of a file and not of a page.
    fn is_file(&self, url: &str) -> bool {
        let path = url.split_once("://").map_or("", |(_, rest)| rest).split_once('/').map_or("", |(_, path)| path);
        format_of_file_name(path).is_some_and(|format| KNOWN_FORMATS.contains(&format.as_str()) && format != "HTML")
    }

    /// The rows as CSV with their header.
    fn raw(&self, rows: &[Row]) -> String {
        let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
        // Writing to memory cannot fail.
        let _ = writer.write_record(self.header);
        for row in rows {
            let _ = writer.write_record(&row.cells);
        }
        String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
    }
}

/// Rows named in the position of a record.
const POSITION_ROWS_MAX: usize = 20;

/// Formats that tell a file from a page, and a format cell from another.
const KNOWN_FORMATS: &[&str] = &[
    "CSV", "XLSX", "XLS", "PDF", "HTML", "GEOJSON", "JSON", "XML", "RDF", "KML", "KMZ", "SHP", "ZIP", "GTFS", "DOC", "DOCX", "TXT", "JTD",
    "GPKG", "3DTILES", "CITYGML", "LAS", "TSV", "PARQUET", "PNG", "JPEG", "PPTX", "ODS", "DBF", "PRJ", "SHX", "GIF", "TIFF", "TIF", "DXF",
    "DWG", "7Z",
];

fn column_of(cell: &str) -> Option<Column> {
    let folded = fold(cell);
    NAMES.iter().find(|(_, names)| names.iter().any(|name| fold(name) == folded)).map(|(column, _)| *column)
}

/// Whether a row names the title, in the words of a standard or beside enough else.
fn is_header(cells: &[String]) -> bool {
    let columns: HashSet<Column> = cells.iter().filter_map(|cell| column_of(cell)).collect();
    let is_standard = || cells.iter().any(|cell| ["データセット_タイトル", "データ名称"].iter().any(|name| fold(name) == fold(cell)));
    columns.contains(&C::Title) && (columns.len() >= HEADER_COLUMNS_MIN || is_standard())
}

/// Why a row cannot belong to a header of so many columns.
fn shape_fault(row: &Row, columns: usize) -> Option<Text> {
    let found = row.cells.len();
    if found < columns {
        return Some(Text::new(
            format!("列が {found} しかありません（見出しは {columns} 列）。区切りや改行を確認してください。"),
            format!("there are only {found} columns where the header has {columns}; check commas and line breaks"),
        ));
    }
    row.cells[columns..].iter().any(|cell| !cell.is_empty()).then(|| {
        Text::new(
            format!("列が {found} あります（見出しは {columns} 列）。値の中のカンマは引用符「\"」で囲んでください。"),
            format!("there are {found} columns where the header has {columns}; put values that hold commas into quotation marks"),
        )
    })
}

/// Full-width letters and digits made half-width, as ids are compared.
fn narrow(text: &str) -> String {
    text.nfkc().collect::<String>().trim().to_owned()
}

/// A cell of a date column; a bare number there is the day of a spreadsheet program that lost its format.
fn date(text: &str) -> String {
    let serial = narrow(text).parse::<u64>().ok().filter(|days| (20_000..=80_000).contains(days));
    let day = serial.and_then(|days| NaiveDate::from_ymd_opt(1899, 12, 30)?.checked_add_days(chrono::Days::new(days)));
    day.map_or_else(|| text.to_owned(), |day| day.to_string())
}

/// `CSV,　HTML`, `pdf;xls`, `pdf・xls(x)` → short names, without repetition.
fn formats(vocabulary: &Vocabulary, text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for word in text.split(|c: char| c.is_whitespace() || ",，、､;；・/／".contains(c)) {
        let word = word.nfkc().collect::<String>().to_lowercase().replace("xls(x)", "xlsx").replace("doc(x)", "docx");
        if let Some(format) = crate::convert::format(vocabulary, &word)
            && !found.contains(&format)
        {
            found.push(format);
        }
    }
    found
}

/// `8053`, `8,053`, `8.1 KB`; `None` for anything else.
fn byte_size(text: &str) -> Option<i64> {
    let text: String = text.nfkc().collect::<String>().to_lowercase().replace([',', ' '], "");
    let digits: String = text.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let factor = match &text[digits.len()..] {
        "" | "b" | "byte" | "bytes" | "バイト" => 1.0,
        "k" | "kb" => 1024.0,
        "m" | "mb" => 1024.0 * 1024.0,
        "g" | "gb" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let size = digits.parse::<f64>().ok()? * factor;
    (0.0..9e15).contains(&size).then_some(size.round() as i64)
}

fn languages(text: &str) -> Vec<String> {
    let mut codes = Vec::new();
    for code in text.split([';', '；', ',', '、', ' ', '　']).filter(|word| !word.is_empty()).filter_map(language_code) {
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    codes
}

fn some(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use minato_catalog::Temporal;

    use super::*;

    fn open(bytes: &[u8]) -> Result<Inventory, Text> {
        use std::io::Write;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        first_table(file, 1_000_000, Inventory::of_table).map(Option::unwrap)
    }

    fn records_of(bytes: &[u8]) -> Vec<Result<HarvestedRecord, RecordFailure>> {
        let mut inventory = open(bytes).unwrap();
        let (vocabulary, base) = (Vocabulary::built_in(), Url::parse("https://www.city.example.jp/od/list.csv").unwrap());
        inventory.groups().into_iter().map(|group| inventory.record(group, &vocabulary, &base).unwrap()).collect()
    }

    fn records(csv: &str) -> Vec<Result<HarvestedRecord, RecordFailure>> {
        records_of(csv.as_bytes())
    }

    #[test]
    fn the_older_layout_makes_one_dataset_per_row() {
        let records = records(
            "都道府県コード又は市区町村コード,NO,都道府県名,市区町村名,データ名称,データ概要,データ形式,分類,更新頻度,URL,API対応有無,ライセンス,登録日,最終更新日,備考\n\
             342025,０１,広島県,呉市,避難所一覧,概要,\"CSV,　HTML\",司法・安全・環境,１年に１回,https://data.example.jp/dataset/a,無,CC BY 4.0,2022-05-17,2022/7/14,\n\
             342025,2,広島県,呉市,人口,,XLSX,謎の分類,たまに,https://data.example.jp/files/a.xlsx,有,ご自由に,,,備考です\n",
        );
        let first = records[0].as_ref().unwrap();
        assert_eq!((first.remote_id.as_str(), first.alternate_id.as_deref()), ("342025:避難所一覧", Some("342025-01")));
        assert_eq!(first.draft.themes, ["gr_1400"]);
        assert_eq!(first.draft.licence.as_deref(), Some("CC-BY-4.0"));
        assert_eq!(first.draft.accrual_periodicity.as_deref(), Some("annual"));
        assert_eq!(first.draft.issued, NaiveDate::from_ymd_opt(2022, 5, 17));
        assert_eq!(first.draft.modified.map(jst_day), NaiveDate::from_ymd_opt(2022, 7, 14));
        let distributions = first.draft.distributions.as_ref().unwrap();
        assert_eq!(distributions.iter().map(|it| it.format.as_deref().unwrap()).collect::<Vec<_>>(), ["CSV", "HTML"]);
        assert_eq!(distributions[0].access_url.as_deref(), Some("https://data.example.jp/dataset/a"));
        assert!(first.notices.is_empty(), "{:?}", first.notices);

        let second = records[1].as_ref().unwrap();
        assert_eq!(second.draft.keywords, ["謎の分類"]);
        assert_eq!((second.draft.licence.as_deref(), second.draft.licence_text.as_deref()), (None, Some("ご自由に")));
        assert_eq!(second.draft.extras["accrual_periodicity"], "たまに");
        assert_eq!(second.notices.len(), 3);
        let file = &second.draft.distributions.as_ref().unwrap()[0];
        assert_eq!(file.download_url.as_deref(), Some("https://data.example.jp/files/a.xlsx"));
        assert_eq!(second.draft.landing_page, None);
    }

    const NEW_HEADER: &str = "データセット_ID,全国地方公共団体コード,地方公共団体名,データセット_タイトル,データセット_キーワード,データセット_対象期間,ファイル_タイトル,ファイル_ダウンロードURL,ファイル形式,ファイル_ライセンス,ファイル_サイズ\n";

    #[test]
    fn rows_of_one_dataset_are_its_files() {
        let records = records(&format!(
            "オープンデータ一覧,,,,,,,,,,\n{NEW_HEADER}\
             A1,342025,呉市,避難所,防災；避難,2023/4/1～2024/3/31,一つ目,https://example.jp/1.csv,,CC BY 4.0,\"8,053\"\n\
             B1,342025,呉市,トイレ,,,,https://example.jp/3.csv,csv,CC0,\n\
             ,342025,呉市,避難所,,,二つ目,https://example.jp/2.xlsx,,CC0,2 KB\n\
             ,,,,,,,,,,\n"
        ));
        assert_eq!(records.len(), 2);
        let first = records[0].as_ref().unwrap();
        assert_eq!((first.remote_id.as_str(), first.draft.identifier.as_deref()), ("A1", Some("A1")));
        assert_eq!(first.draft.keywords, ["防災", "避難"]);
        assert_eq!(first.draft.temporal.as_ref().unwrap().end, NaiveDate::from_ymd_opt(2024, 3, 31));
        let files = first.draft.distributions.as_ref().unwrap();
        assert_eq!(files.iter().map(|file| file.byte_size).collect::<Vec<_>>(), [Some(8053), Some(2048)]);
        assert_eq!(files.iter().map(|file| file.format.as_deref().unwrap()).collect::<Vec<_>>(), ["CSV", "XLSX"]);
        assert_eq!(
            (first.draft.licence.as_deref(), files[0].licence.as_deref(), files[1].licence.as_deref()),
            (Some("CC-BY-4.0"), None, Some("CC0-1.0"))
        );
    }

    #[test]
    fn a_bad_row_fails_its_dataset_and_no_other() {
        let records = records(&format!(
            "{NEW_HEADER}A1,342025,呉市,避難所,,,,https://example.jp/1.csv,csv,CC0,1\nA2,342025,呉市,短い行\nA3,342025,呉市,トイレ,,,,https://example.jp/3.csv,csv,CC0,1\n\
             A4,342025,呉市,,,,,https://example.jp/4.csv,csv,CC0,1\nA5,342025,呉市,長い,,,,https://example.jp/5.csv,csv,CC0,1,,x\n"
        ));
        assert_eq!(records.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true, false, false]);
        let failure = records[1].as_ref().unwrap_err();
        assert_eq!((failure.remote_id.as_deref(), failure.position.as_str()), (Some("A2"), "row 3"));
        assert!(failure.cause.ja.contains("3 行目"), "{}", failure.cause.ja);
        assert!(records[3].as_ref().unwrap_err().cause.en.contains("title"));
    }

    #[test]
    fn one_id_for_two_titles_is_refused() {
        let records = records(&format!(
            "{NEW_HEADER}A1,342025,呉市,避難所,,,,https://example.jp/1.csv,csv,CC0,1\nA1,342025,呉市,トイレ,,,,https://example.jp/3.csv,csv,CC0,1\n"
        ));
        assert_eq!(records.len(), 1);
        assert!(records[0].as_ref().unwrap_err().cause.en.contains("トイレ"));
    }

    #[test]
    fn shifted_columns_are_read_and_noted() {
        let records = records(&format!("{NEW_HEADER}A1,342025,呉市,避難所,,,,https://example.jp/1.csv,CC BY 4.0,,1\n"));
        let record = records[0].as_ref().unwrap();
        assert_eq!(record.draft.licence.as_deref(), Some("CC-BY-4.0"));
        assert_eq!(record.draft.distributions.as_ref().unwrap()[0].format.as_deref(), Some("CSV"));
        assert!(record.notices[0].ja.contains("1 列左"));
    }

    #[test]
    fn truncation_is_noticed() {
        let whole = format!("{NEW_HEADER}A1,342025,呉市,避難所,,,,https://example.jp/1.csv,csv,CC0,1\n");
        assert_eq!(open(whole.as_bytes()).unwrap().table.doubt, None);
        for cut in [format!("{whole}A2,342025,呉市,\"トイ"), format!("{whole}A2,342025,呉市,トイレ,,")] {
            assert!(open(cut.as_bytes()).unwrap().table.doubt.is_some(), "{cut}");
        }
        let within_character = &whole.as_bytes()[..whole.find("避").unwrap() + 1];
        assert!(open(within_character).unwrap().table.doubt.is_some());
    }

    #[test]
    fn a_file_without_the_columns_is_refused() {
        for text in ["", "a,b,c\n1,2,3\n", "日付,人数\n2024-01-01,3\n", "title,x\n1,2\n"] {
            use std::io::Write;
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            assert!(first_table(file, 1_000, Inventory::of_table).unwrap().is_none(), "{text}");
        }
    }

    #[test]
    fn periods_in_the_usual_spellings() {
        let expected = Some(Temporal { start: NaiveDate::from_ymd_opt(2024, 2, 1), end: NaiveDate::from_ymd_opt(2024, 7, 1) });
        for text in [
            "開始年月日/終了年月日 : 2024年2月1日/2024年7月1日",
            "2024/2/1～2024/7/1",
            "2024-02-01/2024-07-01",
            "令和6年2月1日から令和6年7月1日まで",
            "2024/2/1/2024/7/1",
        ] {
            assert_eq!(parse_period(text), expected, "{text}");
        }
        assert_eq!(parse_period("2024/2/1～"), Some(Temporal { start: NaiveDate::from_ymd_opt(2024, 2, 1), end: None }));
        for text in ["", "毎年", "～", "2024/7/1～2024/2/1"] {
            assert_eq!(parse_period(text), None, "{text}");
        }
    }
}
