//! Which municipality speaks what, and what is wrong with it; and the two sites of the prefecture beside them.

use crate::fixtures::{FileEncoding, Municipality, MunicipalityKind, municipalities, municipality, usual_count};

/// Most records in one answer of a CKAN site, whatever is asked for (CKAN's `ckan.search.rows_max`).
pub(crate) const USUAL_PAGE: usize = 10;
/// The same at the site whose third page fails.
pub(crate) const SMALL_PAGE: usize = 5;

/// Slug of the portal that the prefecture and some municipalities had together before.
pub(crate) const PREVIOUS_PORTAL: &str = "previous-portal";
/// Slug of the prefecture's site for data of civil engineering.
pub(crate) const CIVIL_SITE: &str = "civil-engineering";

/// One site to be.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Name of the site; of a municipality's, that of the municipality.
    pub(crate) slug: String,
    /// Its title.
    pub(crate) title: String,
    pub(crate) municipality: Municipality,
    pub(crate) protocol: Protocol,
    pub(crate) quirk: Quirk,
    pub(crate) holdings: Vec<Holding>,
}

/// Datasets of one publisher that a site has.
#[derive(Debug, Clone)]
pub(crate) struct Holding {
    pub(crate) publisher: Municipality,
    pub(crate) from: usize,
    pub(crate) count: usize,
    /// The files stay with the publisher; the site leads to them.
    pub(crate) linked: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Protocol {
    Ckan { rows_max: usize, two_organizations: bool },
    Dataeye,
    Shirasagi,
    DataJson,
    ArcgisHub,
    SchemaOrg,
    FileList,
    Csw,
    OaiPmh,
    Inventory(InventoryStyle),
    Dcat(DcatStyle),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InventoryStyle {
    pub(crate) layout: Layout,
    pub(crate) encoding: FileEncoding,
    /// Leave the dataset's id out of its second and later rows, as some publishers do.
    pub(crate) id_once: bool,
    /// A workbook with a title above the columns, in place of CSV.
    pub(crate) workbook: bool,
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
            let count = match quirk {
                // Enough for a third page, and a fourth.
                Quirk::ThirdPageFails => 3 * SMALL_PAGE + 3,
                _ => usual_count(&municipality),
            };
            let holdings = vec![Holding { publisher: municipality.clone(), from: 0, count, linked: false }];
            Plan { slug: municipality.slug.clone(), title: municipality.name.clone(), municipality, protocol, quirk, holdings }
        })
        .collect()
}

/// The portal before this one and the site for civil engineering. Much of what they have, the publishers have, too.
pub(crate) fn extra_plans() -> Vec<Plan> {
    let Some(prefecture) = municipality("hiroshima-ken") else { return Vec::new() };
    let holding = |slug: &str, from: usize, count: usize, linked: bool| {
        municipality(slug).map(|publisher| Holding { publisher, from, count, linked })
    };
    // Of cities, some datasets that their own sites have, and one more that only the portal has.
    let only_here = |slug: &str| municipality(slug).and_then(|publisher| holding(slug, usual_count(&publisher), 1, false));
    let previous = [
        holding("hiroshima-ken", 0, 8, false),
        holding("hiroshima-shi", 0, 4, false),
        only_here("hiroshima-shi"),
        holding("kure-shi", 0, 4, false),
        only_here("kure-shi"),
        holding("fuchu-cho", 0, 3, false),
    ];
    let civil = [
        holding("hiroshima-ken", 2, 9, false),
        holding("kure-shi", 4, 2, true),
        holding("fukuyama-shi", 0, 2, true),
        holding("fuchu-cho", 3, 1, true),
    ];
    vec![
        Plan {
            slug: PREVIOUS_PORTAL.to_owned(),
            title: "共同オープンデータポータル（旧）".to_owned(),
            municipality: prefecture.clone(),
            protocol: Protocol::Dataeye,
            quirk: Quirk::None,
            holdings: previous.into_iter().flatten().collect(),
        },
        Plan {
            slug: CIVIL_SITE.to_owned(),
            title: "土木データ公開サイト".to_owned(),
            municipality: prefecture,
            protocol: Protocol::Ckan { rows_max: USUAL_PAGE, two_organizations: false },
            quirk: Quirk::None,
            holdings: civil.into_iter().flatten().collect(),
        },
    ]
}

fn assignment(slug: &str) -> (Protocol, Quirk) {
    let ckan = Protocol::Ckan { rows_max: USUAL_PAGE, two_organizations: false };
    let style = |layout, encoding| InventoryStyle { layout, encoding, id_once: false, workbook: false };
    let inventory = |layout, encoding| Protocol::Inventory(style(layout, encoding));
    match slug {
        "mihara-shi" => (ckan, Quirk::MalformedRecord),
        "onomichi-shi" => (Protocol::Ckan { rows_max: SMALL_PAGE, two_organizations: false }, Quirk::ThirdPageFails),
        "fukuyama-shi" => (Protocol::Ckan { rows_max: USUAL_PAGE, two_organizations: true }, Quirk::None),

        "hiroshima-shi" => (Protocol::ArcgisHub, Quirk::None),
        "fuchu-shi" => (Protocol::Shirasagi, Quirk::None),
        "otake-shi" => (Protocol::FileList, Quirk::None),
        "higashihiroshima-shi" => (Protocol::OaiPmh, Quirk::None),
        "hatsukaichi-shi" => (Protocol::DataJson, Quirk::None),
        "kaita-cho" => (Protocol::Csw, Quirk::None),
        "akiota-cho" => (Protocol::SchemaOrg, Quirk::None),

        "takehara-shi" => (inventory(Layout::Fifteen, FileEncoding::Utf8Bom), Quirk::None),
        "miyoshi-shi" => {
            (Protocol::Inventory(InventoryStyle { workbook: true, ..style(Layout::FortyFive, FileEncoding::Binary) }), Quirk::None)
        }
        "shobara-shi" => {
            (Protocol::Inventory(InventoryStyle { id_once: true, ..style(Layout::FortyFive, FileEncoding::Utf8) }), Quirk::None)
        }
        "akitakata-shi" => (inventory(Layout::FortyTwo, FileEncoding::Cp932), Quirk::None),
        "etajima-shi" => (inventory(Layout::Fifteen, FileEncoding::Utf8), Quirk::InvalidUrl),
        "fuchu-cho" => (inventory(Layout::FortyFive, FileEncoding::Utf8Bom), Quirk::None),
        "kumano-cho" => (inventory(Layout::FortyFive, FileEncoding::Utf8), Quirk::HtmlInstead),

        "saka-cho" => (Protocol::Dcat(DcatStyle::JsonLdTerms), Quirk::None),
        "kitahiroshima-cho" => (Protocol::Dcat(DcatStyle::JsonLdGraph { page_size: Some(4) }), Quirk::None),
        "osakikamijima-cho" => (Protocol::Dcat(DcatStyle::Turtle { page_size: Some(5) }), Quirk::None),
        "sera-cho" => (Protocol::Dcat(DcatStyle::JsonLdGraph { page_size: None }), Quirk::None),
        "jinsekikogen-cho" => (Protocol::Dcat(DcatStyle::Turtle { page_size: None }), Quirk::Untitled),

        // kure-shi
        _ => (ckan, Quirk::None),
    }
}
