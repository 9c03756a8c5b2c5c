//! Which municipality speaks what, and what is wrong with it.

use crate::fixtures::{FileEncoding, Municipality, MunicipalityKind, municipalities, usual_count};

/// Most records in one answer of a CKAN site, whatever is asked for (CKAN's `ckan.search.rows_max`).
pub(crate) const USUAL_PAGE: usize = 10;
/// The same at the site whose third page fails.
pub(crate) const SMALL_PAGE: usize = 5;

/// One site to be.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) municipality: Municipality,
    pub(crate) protocol: Protocol,
    pub(crate) quirk: Quirk,
    pub(crate) datasets: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Protocol {
    Ckan { rows_max: usize, two_organizations: bool },
    Inventory(InventoryStyle),
    Dcat(DcatStyle),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InventoryStyle {
    pub(crate) layout: Layout,
    pub(crate) encoding: FileEncoding,
    /// Leave the dataset's id out of its second and later rows, as some publishers do.
    pub(crate) id_once: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// 推奨データセット: one dataset per row.
    Fifteen,
    /// 自治体標準オープンデータセット: one file per row.
    FortyFive,
    /// A published variant of it: no データセット_作成者, ファイル_ID, ファイル_著作権表記; ファイル形式 without underscore.
    FortyTwo,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DcatStyle {
    /// JSON-LD with prefixed keys in a `@graph`; paged in the manner of CKAN's DCAT extension when a size is given.
    JsonLdGraph { page_size: Option<usize> },
    /// JSON-LD with named terms, nested.
    JsonLdTerms,
    /// Turtle; paged with `hydra:PartialCollectionView` when a size is given.
    Turtle { page_size: Option<usize> },
}

impl DcatStyle {
    pub(crate) fn path(&self) -> &'static str {
        match self {
            DcatStyle::JsonLdGraph { .. } | DcatStyle::JsonLdTerms => "/catalog.jsonld",
            DcatStyle::Turtle { .. } => "/catalog.ttl",
        }
    }

    pub(crate) fn page_size(&self) -> Option<usize> {
        match self {
            DcatStyle::JsonLdGraph { page_size } | DcatStyle::Turtle { page_size } => *page_size,
            DcatStyle::JsonLdTerms => None,
        }
    }
}

/// What is wrong with a site from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quirk {
    None,
    MalformedRecord,
    ThirdPageFails,
    InvalidUrl,
    Untitled,
    HtmlInstead,
}

impl Quirk {
    pub(crate) fn description(self) -> Option<&'static str> {
        match self {
            Quirk::None => None,
            Quirk::MalformedRecord => Some("one more record has no name, a number for its title and text for its resources"),
            Quirk::ThirdPageFails => Some("the third page of package_search, and every later one, answers 500"),
            Quirk::InvalidUrl => Some("one more row has a URL that is none"),
            Quirk::Untitled => Some("one more dataset has no title"),
            Quirk::HtmlInstead => Some("the inventory answers 200 with a page in HTML"),
        }
    }
}

/// The 23 sites in the order of local government codes.
pub(crate) fn plans() -> Vec<Plan> {
    municipalities()
        .into_iter()
        .filter(|municipality| municipality.kind != MunicipalityKind::Prefecture)
        .map(|municipality| {
            let (protocol, quirk) = assignment(&municipality.slug);
            let datasets = match quirk {
                // Enough for a third page, and a fourth.
                Quirk::ThirdPageFails => 3 * SMALL_PAGE + 3,
                _ => usual_count(&municipality),
            };
            Plan { municipality, protocol, quirk, datasets }
        })
        .collect()
}

fn assignment(slug: &str) -> (Protocol, Quirk) {
    let ckan = Protocol::Ckan { rows_max: USUAL_PAGE, two_organizations: false };
    let inventory = |layout, encoding| Protocol::Inventory(InventoryStyle { layout, encoding, id_once: false });
    match slug {
        "mihara-shi" => (ckan, Quirk::MalformedRecord),
        "onomichi-shi" => (Protocol::Ckan { rows_max: SMALL_PAGE, two_organizations: false }, Quirk::ThirdPageFails),
        "fukuyama-shi" => (Protocol::Ckan { rows_max: USUAL_PAGE, two_organizations: true }, Quirk::None),

        "takehara-shi" => (inventory(Layout::Fifteen, FileEncoding::Utf8Bom), Quirk::None),
        "miyoshi-shi" => (inventory(Layout::FortyFive, FileEncoding::Utf8Bom), Quirk::None),
        "shobara-shi" => {
            let style = InventoryStyle { layout: Layout::FortyFive, encoding: FileEncoding::Utf8, id_once: true };
            (Protocol::Inventory(style), Quirk::None)
        }
        "otake-shi" => (inventory(Layout::Fifteen, FileEncoding::Cp932), Quirk::None),
        "akitakata-shi" => (inventory(Layout::FortyTwo, FileEncoding::Cp932), Quirk::None),
        "etajima-shi" => (inventory(Layout::Fifteen, FileEncoding::Utf8), Quirk::InvalidUrl),
        "fuchu-cho" => (inventory(Layout::FortyFive, FileEncoding::Utf8Bom), Quirk::None),
        "kaita-cho" => (inventory(Layout::FortyFive, FileEncoding::Cp932), Quirk::None),
        "kumano-cho" => (inventory(Layout::FortyFive, FileEncoding::Utf8), Quirk::HtmlInstead),

        "saka-cho" => (Protocol::Dcat(DcatStyle::JsonLdTerms), Quirk::None),
        "akiota-cho" => (Protocol::Dcat(DcatStyle::Turtle { page_size: None }), Quirk::None),
        "kitahiroshima-cho" => (Protocol::Dcat(DcatStyle::JsonLdGraph { page_size: Some(4) }), Quirk::None),
        "osakikamijima-cho" => (Protocol::Dcat(DcatStyle::Turtle { page_size: Some(5) }), Quirk::None),
        "sera-cho" => (Protocol::Dcat(DcatStyle::JsonLdGraph { page_size: None }), Quirk::None),
        "jinsekikogen-cho" => (Protocol::Dcat(DcatStyle::Turtle { page_size: None }), Quirk::Untitled),

        // hiroshima-shi, kure-shi, fuchu-shi, higashihiroshima-shi, hatsukaichi-shi
        _ => (ckan, Quirk::None),
    }
}
