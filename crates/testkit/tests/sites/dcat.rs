use std::collections::{HashMap, HashSet};

use minato_catalog::HarvestKind;
use minato_testkit::sites::{Options, Sites};
use oxjsonld::JsonLdParser;
use oxrdf::{Quad, Term};
use oxttl::TurtleParser;

use crate::client::{Response, get};

const DCT: &str = "http://purl.org/dc/terms/";
const DCAT: &str = "http://www.w3.org/ns/dcat#";
const HYDRA: &str = "http://www.w3.org/ns/hydra/core#";
const TYPE: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type";

fn quads(response: &Response) -> Vec<Quad> {
    if response.header("content-type").unwrap().starts_with("text/turtle") {
        let triples = TurtleParser::new().for_slice(&response.body).map(Result::unwrap);
        triples.map(|triple| Quad::new(triple.subject, triple.predicate, triple.object, oxrdf::GraphName::DefaultGraph)).collect()
    } else {
        JsonLdParser::new().for_slice(&response.body).map(Result::unwrap).collect()
    }
}

fn objects<'a>(quads: &'a [Quad], subject: &str, predicate: &str) -> Vec<&'a Term> {
    quads
        .iter()
        .filter(|quad| quad.subject.to_string().trim_matches(['<', '>']) == subject && quad.predicate.as_str() == predicate)
        .map(|quad| &quad.object)
        .collect()
}

fn of_type(quads: &[Quad], class: &str) -> Vec<String> {
    let is = |term: &Term| matches!(term, Term::NamedNode(node) if node.as_str() == class);
    let subjects = quads.iter().filter(|quad| quad.predicate.as_str() == TYPE && is(&quad.object)).map(|quad| quad.subject.to_string());
    subjects.map(|subject| subject.trim_matches(['<', '>']).to_owned()).collect()
}

fn text(term: &Term) -> String {
    match term {
        Term::NamedNode(node) => node.as_str().to_owned(),
        Term::Literal(literal) => literal.value().to_owned(),
        other => other.to_string(),
    }
}

#[test]
fn catalogs_parse_and_following_pages_gives_every_dataset_once() {
    let sites = Sites::start(Options::default()).unwrap();
    let sources: Vec<_> = sites.sources().into_iter().filter(|source| source.kind == HarvestKind::Dcat).collect();
    assert_eq!(sources.len(), 5);
    let mut syntaxes: HashMap<String, usize> = HashMap::new();
    let mut paged = 0;
    for source in sources {
        let (mut titled, mut all) = (HashSet::new(), HashSet::new());
        let mut next = Some(source.url.clone());
        let mut pages = 0;
        while let Some(url) = next.take() {
            let response = get(&url);
            assert_eq!(response.status, 200);
            if pages == 0 {
                *syntaxes.entry(response.header("content-type").unwrap().to_owned()).or_default() += 1;
            }
            pages += 1;
            let quads = quads(&response);
            for subject in of_type(&quads, &format!("{DCAT}Dataset")) {
                assert!(all.insert(subject.clone()), "{subject} twice");
                assert_eq!(objects(&quads, &subject, &format!("{DCT}description")).len(), 1);
                assert!(!objects(&quads, &subject, &format!("{DCAT}theme")).is_empty());
                for distribution in objects(&quads, &subject, &format!("{DCAT}distribution")) {
                    let distribution = text(distribution);
                    let download = objects(&quads, &distribution, &format!("{DCAT}downloadURL"));
                    assert_eq!(download.len(), 1, "{distribution}");
                    assert!(matches!(download[0], Term::NamedNode(_)));
                    assert_eq!(objects(&quads, &distribution, &format!("{DCT}license")).len(), 1);
                }
                if !objects(&quads, &subject, &format!("{DCT}title")).is_empty() {
                    titled.insert(subject);
                }
            }
            next = quads
                .iter()
                .find(|quad| [format!("{HYDRA}next"), format!("{HYDRA}nextPage")].iter().any(|name| quad.predicate.as_str() == name))
                .map(|quad| text(&quad.object));
        }
        paged += usize::from(pages > 1);
        assert_eq!(titled.len(), source.expected_datasets, "{}", source.slug);
        assert_eq!(all.len(), source.expected_datasets + source.expected_failures, "{}", source.slug);
    }
    assert_eq!(paged, 2);
    assert_eq!((syntaxes["application/ld+json"], syntaxes["text/turtle; charset=utf-8"]), (3, 2));
}

#[test]
fn quotes_and_line_breaks_survive_in_both_syntaxes() {
    let sites = Sites::start(Options::default()).unwrap();
    let title = "\"引用\" \\ と\n改行\tと <タグ> & 絵文字😀";
    for slug in ["osakikamijima-cho", "saka-cho", "sera-cho"] {
        sites.edit(slug, |datasets| datasets[0].title = title.to_owned()).unwrap();
        let quads = quads(&get(&sites.source(slug).unwrap().url));
        assert!(quads.iter().any(|quad| matches!(&quad.object, Term::Literal(literal) if literal.value() == title)), "{slug}");
    }
}
