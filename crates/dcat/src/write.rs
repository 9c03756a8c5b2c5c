//! Datasets as DCAT-AP 3.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use minato_catalog::{Dataset, Distribution, Organization, Vocabulary, frequency};
use oxrdf::{BlankNode, Literal, NamedNode, NamedNodeRef, NamedOrBlankNode, Term, Triple};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::graph::{Syntax, serialize};
use crate::place::box_as_wkt;
use crate::words::*;

/// What the documents say of the catalog itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteInfo {
    /// Address of the portal, without a slash at the end.
    pub base_url: String,
    /// The catalog's name.
    pub title: String,
    /// What the catalog is.
    pub description: String,
}

/// Where a document stands in a catalog of several pages (Hydra).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageInfo {
    /// Address of this page.
    pub url: String,
    /// Address of the next page; `None` on the last.
    pub next: Option<String>,
    /// Number of datasets over all pages.
    pub total: u64,
}

/// Writes datasets, each with its organization, as DCAT-AP 3 with a catalog around them.
///
/// The caller decides what may be seen; everything given is written. Distributions whose downloads are counted here (a kept file,
/// or a link to the publisher's file) are addressed as `{base_url}/d/{id}`. Not written, for want of a DCAT term: extras other
/// than `provenance`, slugs other than in the IRI, and internal state.
pub fn write_datasets(
    datasets: &[(&Dataset, &Organization)],
    site: &SiteInfo,
    page: Option<&PageInfo>,
    vocabulary: &Vocabulary,
    syntax: Syntax,
) -> Vec<u8> {
    let mut writer = Writer {
        base: site.base_url.trim_end_matches('/'),
        vocabulary,
        triples: Vec::new(),
        later: Vec::new(),
        described: HashSet::new(),
        blanks: 0,
    };
    writer.catalog(datasets, site, page);
    for (dataset, organization) in datasets {
        writer.dataset(dataset, organization);
    }
    serialize(&writer.triples, syntax)
}

struct Writer<'a> {
    base: &'a str,
    vocabulary: &'a Vocabulary,
    triples: Vec<Triple>,
    /// Triples of nodes that the current subject leads to, kept back so that each subject's triples stand together.
    later: Vec<Triple>,
    /// Organizations, themes and licences already described in this document.
    described: HashSet<String>,
    blanks: usize,
}

impl Writer<'_> {
    fn catalog(&mut self, datasets: &[(&Dataset, &Organization)], site: &SiteInfo, page: Option<&PageInfo>) {
        let Some(catalog) = iri(&format!("{}/#catalog", self.base)) else { return };
        let catalog: NamedOrBlankNode = catalog.into();
        self.add(&catalog, RDF_TYPE, DCAT_CATALOG.into_owned());
        self.add_text(&catalog, DCT_TITLE, &site.title, "ja");
        self.add_text(&catalog, DCT_DESCRIPTION, or(&site.description, &site.title), "ja");
        if let Some(publisher) = iri(&format!("{}/#publisher", self.base)) {
            self.add(&catalog, DCT_PUBLISHER, publisher.clone());
            self.describe(&publisher.into(), |this, node| {
                this.add(node, RDF_TYPE, FOAF_AGENT.into_owned());
                this.add_text(node, FOAF_NAME, &site.title, "ja");
            });
        }
        self.add_typed(&catalog, FOAF_HOMEPAGE, &format!("{}/", self.base), FOAF_DOCUMENT);
        self.add_typed(&catalog, DCT_LANGUAGE, &format!("{LANGUAGE}JPN"), DCT_LINGUISTIC_SYSTEM);
        self.scheme(&catalog, DCAT_THEME_TAXONOMY, &format!("{}/themes", self.base), "テーマ", "ja");
        self.scheme(&catalog, DCAT_THEME_TAXONOMY, DATA_THEME, "Data theme", "en");
        for (dataset, _) in datasets {
            self.add_iri(&catalog, DCAT_DATASET, &self.dataset_iri(dataset));
        }
        if let Some(page) = page
            && let Some(view) = iri(&page.url)
        {
            self.add(&catalog, RDF_TYPE, HYDRA_COLLECTION.into_owned());
            self.add(&catalog, HYDRA_TOTAL_ITEMS, Literal::new_typed_literal(page.total.to_string(), XSD_INTEGER));
            self.add(&catalog, HYDRA_VIEW, view.clone());
            self.describe(&view.into(), |this, node| {
                this.add(node, RDF_TYPE, HYDRA_PARTIAL_COLLECTION_VIEW.into_owned());
                if let Some(next) = &page.next {
                    this.add_iri(node, HYDRA_NEXT, next);
                }
            });
        }
        self.flush();
    }

    fn dataset_iri(&self, dataset: &Dataset) -> String {
        format!("{}/datasets/{}", self.base, dataset.content.slug)
    }

    fn dataset(&mut self, dataset: &Dataset, organization: &Organization) {
        let content = &dataset.content;
        let dataset_iri = self.dataset_iri(dataset);
        let Some(subject) = iri(&dataset_iri) else { return };
        let subject: NamedOrBlankNode = subject.into();
        self.add(&subject, RDF_TYPE, DCAT_DATASET_CLASS.into_owned());
        // The id here is unique and survives renaming; the publisher's key is unique within its organization only.
        self.add(&subject, DCT_IDENTIFIER, Literal::new_simple_literal(dataset.id.to_string()));
        if let Some(key) = &content.identifier {
            self.add_node(&subject, ADMS_IDENTIFIER, ADMS_IDENTIFIER_CLASS, |this, node| {
                this.add(node, SKOS_NOTATION, simple(key));
            });
        }
        self.add_text(&subject, DCT_TITLE, &content.title, "ja");
        self.add_text(&subject, DCT_TITLE, content.title_en.as_deref().unwrap_or_default(), "en");
        self.add_text(&subject, DCT_DESCRIPTION, or(&content.description, &content.title), "ja");
        self.add_text(&subject, DCT_DESCRIPTION, content.description_en.as_deref().unwrap_or_default(), "en");
        self.publisher(&subject, organization);
        for keyword in &content.keywords {
            self.add_text(&subject, DCAT_KEYWORD, keyword, "ja");
        }
        for theme in &content.themes {
            self.theme(&subject, theme);
        }
        let matches = content.themes.iter().filter_map(|theme| self.vocabulary.themes.get(theme)).flat_map(|theme| &theme.exact_match);
        let matches: BTreeSet<&String> = matches.collect();
        for uri in matches {
            self.matched_theme(&subject, uri);
        }
        if let Some(licence) = &content.licence {
            self.licence(&subject, licence);
        }
        if let Some(text) = &content.licence_text {
            self.add_node(&subject, DCT_RIGHTS, DCT_RIGHTS_STATEMENT, |this, node| this.add_text(node, RDFS_LABEL, text, "ja"));
        }
        if let Some(page) = &content.landing_page {
            self.add_typed(&subject, DCAT_LANDING_PAGE, page, FOAF_DOCUMENT);
        }
        self.contact_point(&subject, dataset, organization);
        if let Some(creator) = &content.creator {
            self.add_node(&subject, DCT_CREATOR, FOAF_AGENT, |this, node| this.add_text(node, FOAF_NAME, creator, "ja"));
        }
        if let Some(frequency) = content.accrual_periodicity.as_deref().and_then(frequency) {
            self.add_typed(&subject, DCT_FREQUENCY, &frequency.uri(), DCT_FREQUENCY_CLASS);
        }
        self.add_day(&subject, DCT_ISSUED, content.issued);
        self.add_moment(&subject, DCT_MODIFIED, Some(content.modified));
        self.spatial_and_temporal(&subject, dataset);
        self.languages(&subject, &content.language);
        if let Some(version) = &content.version {
            self.add(&subject, DCAT_VERSION, simple(version));
        }
        if let Some(standard) = &content.standard_dataset {
            self.add_typed(&subject, DCT_CONFORMS_TO, &format!("{}/standard-datasets/{standard}", self.base), DCT_STANDARD);
        }
        self.conforms_to(&subject, &content.conforms_to);
        if let Some(provenance) = content.extras.get("provenance") {
            self.add_node(&subject, DCT_PROVENANCE, DCT_PROVENANCE_STATEMENT, |this, node| {
                this.add_text(node, RDFS_LABEL, provenance, "ja")
            });
        }
        for distribution in &content.distributions {
            self.add_iri(&subject, DCAT_DISTRIBUTION, &format!("{dataset_iri}#{}", distribution.id));
        }
        self.flush();
        for distribution in &content.distributions {
            self.distribution(&dataset_iri, distribution, content.licence.as_deref());
        }
    }

    fn distribution(&mut self, dataset_iri: &str, distribution: &Distribution, dataset_licence: Option<&str>) {
        let Some(subject) = iri(&format!("{dataset_iri}#{}", distribution.id)) else { return };
        let subject: NamedOrBlankNode = subject.into();
        self.add(&subject, RDF_TYPE, DCAT_DISTRIBUTION_CLASS.into_owned());
        self.add(&subject, DCT_IDENTIFIER, Literal::new_simple_literal(distribution.id.to_string()));
        self.add_text(&subject, DCT_TITLE, &distribution.title, "ja");
        self.add_text(&subject, DCT_TITLE, distribution.title_en.as_deref().unwrap_or_default(), "en");
        self.add_text(&subject, DCT_DESCRIPTION, &distribution.description, "ja");
        if distribution.file.is_some() || distribution.download_url.is_some() {
            let counted = format!("{}/d/{}", self.base, distribution.id);
            self.add_iri(&subject, DCAT_ACCESS_URL, &counted);
            self.add_iri(&subject, DCAT_DOWNLOAD_URL, &counted);
            if let Some(page) = &distribution.access_url {
                self.add_typed(&subject, FOAF_PAGE, page, FOAF_DOCUMENT);
            }
        } else {
            // DCAT-AP wants an access URL on every distribution; the dataset's page is the best there is without one.
            self.add_iri(&subject, DCAT_ACCESS_URL, distribution.access_url.as_deref().unwrap_or(dataset_iri));
        }
        match &distribution.format {
            Some(format) if FILE_TYPES.contains(&format.as_str()) => {
                self.add_typed(&subject, DCT_FORMAT, &format!("{FILE_TYPE}{format}"), DCT_MEDIA_TYPE_OR_EXTENT);
            }
            Some(format) => {
                self.add_node(&subject, DCT_FORMAT, DCT_MEDIA_TYPE_OR_EXTENT, |this, node| this.add(node, RDFS_LABEL, simple(format)));
            }
            None => {}
        }
        if let Some(media_type) = &distribution.media_type {
            self.add_typed(&subject, DCAT_MEDIA_TYPE, &format!("{MEDIA_TYPE}{media_type}"), DCT_MEDIA_TYPE);
        }
        if let Some(licence) = distribution.licence.as_deref().or(dataset_licence) {
            self.licence(&subject, licence);
        }
        if let Some(size) = distribution.byte_size {
            self.add(&subject, DCAT_BYTE_SIZE, Literal::new_typed_literal(size.to_string(), XSD_NON_NEGATIVE_INTEGER));
        }
        if let Some(file) = &distribution.file {
            self.add_node(&subject, SPDX_CHECKSUM, SPDX_CHECKSUM_CLASS, |this, node| {
                this.add(node, SPDX_ALGORITHM, SPDX_SHA256.into_owned());
                this.add(node, SPDX_VALUE, Literal::new_typed_literal(file.sha256.as_str(), XSD_HEX_BINARY));
            });
        }
        self.add_day(&subject, DCT_ISSUED, distribution.issued);
        self.add_moment(&subject, DCT_MODIFIED, distribution.modified);
        self.languages(&subject, &distribution.language);
        self.conforms_to(&subject, &distribution.conforms_to);
        self.flush();
    }

    fn publisher(&mut self, subject: &NamedOrBlankNode, organization: &Organization) {
        let Some(publisher) = iri(&format!("{}/organizations/{}", self.base, organization.draft.slug)) else { return };
        self.add(subject, DCT_PUBLISHER, publisher.clone());
        self.describe(&publisher.into(), |this, node| {
            this.add(node, RDF_TYPE, FOAF_AGENT.into_owned());
            this.add_text(node, FOAF_NAME, &organization.draft.name, "ja");
            this.add_text(node, FOAF_NAME, organization.draft.name_en.as_deref().unwrap_or_default(), "en");
            if let Some(code) = &organization.draft.code {
                this.add(node, DCT_IDENTIFIER, simple(code));
            }
            if let Some(homepage) = &organization.draft.homepage {
                this.add_typed(node, FOAF_HOMEPAGE, homepage, FOAF_DOCUMENT);
            }
        });
    }

    fn theme(&mut self, subject: &NamedOrBlankNode, id: &str) {
        let Some(theme) = self.vocabulary.themes.get(id) else { return };
        let Some(concept) = iri(&format!("{}/themes/{}", self.base, segment(id))) else { return };
        self.add(subject, DCAT_THEME, concept.clone());
        self.describe(&concept.into(), |this, node| {
            this.add(node, RDF_TYPE, SKOS_CONCEPT.into_owned());
            this.add(node, SKOS_NOTATION, simple(id));
            this.add_text(node, SKOS_PREF_LABEL, &theme.title, "ja");
            this.add_text(node, SKOS_PREF_LABEL, theme.title_en.as_deref().unwrap_or_default(), "en");
            this.scheme(node, SKOS_IN_SCHEME, &format!("{}/themes", this.base), "テーマ", "ja");
            for uri in &theme.exact_match {
                this.add_iri(node, SKOS_EXACT_MATCH, uri);
            }
        });
    }

    /// A theme of the EU list, or another list's, which a theme here matches.
    fn matched_theme(&mut self, subject: &NamedOrBlankNode, uri: &str) {
        let Some(concept) = iri(uri) else { return };
        self.add(subject, DCAT_THEME, concept.clone());
        let code = uri.strip_prefix(DATA_THEME).unwrap_or_default().trim_start_matches('/');
        if let Some((_, label)) = DATA_THEMES.iter().find(|(known, _)| *known == code) {
            self.describe(&concept.into(), |this, node| {
                this.add(node, RDF_TYPE, SKOS_CONCEPT.into_owned());
                this.add_text(node, SKOS_PREF_LABEL, label, "en");
                this.scheme(node, SKOS_IN_SCHEME, DATA_THEME, "Data theme", "en");
            });
        }
    }

    fn scheme(&mut self, subject: &NamedOrBlankNode, predicate: NamedNodeRef<'_>, address: &str, title: &str, language: &str) {
        let Some(scheme) = iri(address) else { return };
        self.add(subject, predicate, scheme.clone());
        self.describe(&scheme.into(), |this, node| {
            this.add(node, RDF_TYPE, SKOS_CONCEPT_SCHEME.into_owned());
            this.add_text(node, DCT_TITLE, title, language);
        });
    }

    fn licence(&mut self, subject: &NamedOrBlankNode, id: &str) {
        let licence = self.vocabulary.licences.get(id);
        let url = licence.and_then(|licence| licence.url.clone()).unwrap_or_else(|| format!("{}/licences/{}", self.base, segment(id)));
        let Some(node) = iri(&url) else { return };
        self.add(subject, DCT_LICENSE, node.clone());
        self.describe(&node.into(), |this, node| {
            this.add(node, RDF_TYPE, DCT_LICENSE_DOCUMENT.into_owned());
            this.add(node, DCT_IDENTIFIER, simple(id));
            if let Some(licence) = licence {
                this.add_text(node, DCT_TITLE, &licence.title, "ja");
                this.add_text(node, DCT_TITLE, licence.title_en.as_deref().unwrap_or_default(), "en");
            }
        });
    }

    fn contact_point(&mut self, subject: &NamedOrBlankNode, dataset: &Dataset, organization: &Organization) {
        let Some(contact) = &dataset.content.contact_point else { return };
        self.add_node(subject, DCAT_CONTACT_POINT, VCARD_KIND, |this, node| {
            // vCard wants a name on every card.
            this.add_text(node, VCARD_FN, contact.name.as_deref().unwrap_or(&organization.draft.name), "ja");
            if let Some(email) = &contact.email {
                this.add_iri(node, VCARD_HAS_EMAIL, &format!("mailto:{}", utf8_percent_encode(email, IN_MAILTO)));
            }
            if let Some(telephone) = &contact.telephone {
                this.add_iri(node, VCARD_HAS_TELEPHONE, &format!("tel:{}", utf8_percent_encode(telephone, IN_MAILTO)));
            }
            if let Some(url) = &contact.url {
                this.add_iri(node, VCARD_HAS_URL, url);
            }
        });
    }

    fn spatial_and_temporal(&mut self, subject: &NamedOrBlankNode, dataset: &Dataset) {
        if let Some(spatial) = &dataset.content.spatial {
            self.add_node(subject, DCT_SPATIAL, DCT_LOCATION, |this, node| {
                this.add_text(node, SKOS_PREF_LABEL, spatial.label.as_deref().unwrap_or_default(), "ja");
                for code in &spatial.area_codes {
                    this.add(node, DCT_IDENTIFIER, simple(code));
                }
                if let Some(bounds) = spatial.bbox {
                    this.add(node, DCAT_BBOX, Literal::new_typed_literal(box_as_wkt(bounds), GEO_WKT));
                }
            });
        }
        if let Some(temporal) = &dataset.content.temporal {
            self.add_node(subject, DCT_TEMPORAL, DCT_PERIOD, |this, node| {
                this.add_day(node, DCAT_START, temporal.start);
                this.add_day(node, DCAT_END, temporal.end);
            });
        }
    }

    fn languages(&mut self, subject: &NamedOrBlankNode, codes: &[String]) {
        for code in codes {
            let address = match LANGUAGES.iter().find(|(known, _)| known == code) {
                Some((_, eu)) => format!("{LANGUAGE}{eu}"),
                None => format!("http://id.loc.gov/vocabulary/iso639-1/{}", segment(code)),
            };
            self.add_typed(subject, DCT_LANGUAGE, &address, DCT_LINGUISTIC_SYSTEM);
        }
    }

    fn conforms_to(&mut self, subject: &NamedOrBlankNode, standards: &[String]) {
        for standard in standards {
            if standard.contains("://") && iri(standard).is_some() {
                self.add_typed(subject, DCT_CONFORMS_TO, standard, DCT_STANDARD);
            } else {
                self.add_node(subject, DCT_CONFORMS_TO, DCT_STANDARD, |this, node| this.add_text(node, DCT_TITLE, standard, "ja"));
            }
        }
    }

    fn add(&mut self, subject: &NamedOrBlankNode, predicate: NamedNodeRef<'_>, object: impl Into<Term>) {
        self.triples.push(Triple::new(subject.clone(), predicate.into_owned(), object.into()));
    }

    fn add_iri(&mut self, subject: &NamedOrBlankNode, predicate: NamedNodeRef<'_>, address: &str) {
        if let Some(node) = iri(address) {
            self.add(subject, predicate, node);
        }
    }

    /// Adds an address and of which class the thing there is.
    fn add_typed(&mut self, subject: &NamedOrBlankNode, predicate: NamedNodeRef<'_>, address: &str, class: NamedNodeRef<'_>) {
        let Some(node) = iri(address) else { return };
        self.add(subject, predicate, node.clone());
        if self.described.insert(format!("{node} {class}")) {
            self.aside(|this| this.add(&node.into(), RDF_TYPE, class.into_owned()));
        }
    }

    /// Adds a text in a language; an empty text adds nothing.
    fn add_text(&mut self, subject: &NamedOrBlankNode, predicate: NamedNodeRef<'_>, text: &str, language: &str) {
        let text = printable(text);
        if !text.trim().is_empty() {
            self.add(subject, predicate, Literal::new_language_tagged_literal_unchecked(text, language));
        }
    }

    fn add_day(&mut self, subject: &NamedOrBlankNode, predicate: NamedNodeRef<'_>, day: Option<NaiveDate>) {
        if let Some(day) = day {
            self.add(subject, predicate, Literal::new_typed_literal(day.format("%Y-%m-%d").to_string(), XSD_DATE));
        }
    }

    fn add_moment(&mut self, subject: &NamedOrBlankNode, predicate: NamedNodeRef<'_>, moment: Option<DateTime<Utc>>) {
        if let Some(moment) = moment {
            self.add(subject, predicate, Literal::new_typed_literal(moment.to_rfc3339_opts(SecondsFormat::AutoSi, true), XSD_DATE_TIME));
        }
    }

    /// Adds a blank node of a class and what `describe` says of it.
    fn add_node(
        &mut self,
        subject: &NamedOrBlankNode,
        predicate: NamedNodeRef<'_>,
        class: NamedNodeRef<'_>,
        describe: impl FnOnce(&mut Self, &NamedOrBlankNode),
    ) {
        let node = BlankNode::new_unchecked(format!("n{}", self.blanks));
        self.blanks += 1;
        self.add(subject, predicate, node.clone());
        self.aside(|this| {
            let node = node.into();
            this.add(&node, RDF_TYPE, class.into_owned());
            describe(this, &node);
        });
    }

    /// Describes a shared node the first time it is met.
    fn describe(&mut self, node: &NamedOrBlankNode, describe: impl FnOnce(&mut Self, &NamedOrBlankNode)) {
        if self.described.insert(node.to_string()) {
            self.aside(|this| describe(this, node));
        }
    }

    fn aside(&mut self, write: impl FnOnce(&mut Self)) {
        let current = std::mem::take(&mut self.triples);
        write(self);
        let aside = std::mem::replace(&mut self.triples, current);
        self.later.extend(aside);
    }

    fn flush(&mut self) {
        self.triples.append(&mut self.later);
    }
}

/// Characters that a mail address or telephone number cannot hold in an IRI.
const IN_MAILTO: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b']')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}')
    .add(b'%')
    .add(b'?')
    .add(b'#')
    .add(b'/');
/// Characters that no IRI may hold.
const NOT_IN_IRI: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');
/// All but the unreserved characters.
const NOT_IN_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

fn segment(text: &str) -> String {
    utf8_percent_encode(text, NOT_IN_SEGMENT).to_string()
}

/// The address as an IRI, mended where that is possible; `None` when it is no address at all.
fn iri(address: &str) -> Option<NamedNode> {
    let address = address.trim();
    if let Ok(node) = NamedNode::new(address) {
        return Some(node);
    }
    let mended = utf8_percent_encode(address, NOT_IN_IRI).to_string();
    NamedNode::new(mended)
        .ok()
        .or_else(|| NamedNode::new(utf8_percent_encode(url::Url::parse(address).ok()?.as_str(), NOT_IN_IRI).to_string()).ok())
}

fn simple(text: &str) -> Literal {
    Literal::new_simple_literal(printable(text))
}

/// Without the control characters that XML cannot hold.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).filter(|c| !matches!(c, '\u{fffe}' | '\u{ffff}')).collect()
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.trim().is_empty() { otherwise } else { text }
}
