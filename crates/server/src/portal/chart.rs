//! Bars over time: one picture and one table of the same figures.

use chrono::{Datelike, NaiveDate};
use minato_app::catalog::{DownloadSeries, MonthFigures, parse_month};

use super::words::{Lang, number};

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 6.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 30.0;

/// A bar chart with the table of its figures.
#[derive(Debug, Clone, Default)]
pub(super) struct Chart {
    /// Name of the figure.
    pub(super) title: String,
    /// What it shows in a sentence.
    pub(super) summary: String,
    /// Unique within the page.
    pub(super) id: &'static str,
    /// One per period.
    pub(super) bars: Vec<Bar>,
    /// Lines across, with their values.
    pub(super) lines: Vec<Line>,
    /// The target, when there is one.
    pub(super) target: Option<Line>,
    /// Whether other sites report a part of the bars.
    pub(super) any_reported: bool,
}

/// A period.
#[derive(Debug, Clone, Default)]
pub(super) struct Bar {
    pub(super) x: String,
    pub(super) y: String,
    pub(super) width: String,
    pub(super) height: String,
    pub(super) middle: String,
    /// Under the bar.
    pub(super) label: String,
    /// In the table.
    pub(super) period: String,
    /// All of them.
    pub(super) total: String,
    pub(super) human: String,
    pub(super) machine: String,
    pub(super) ai_agent: String,
    /// Of the total, reported by other sites.
    pub(super) reported: String,
    /// Whether the period still runs.
    pub(super) open: bool,
}

/// A line across.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    pub(super) y: String,
    pub(super) label_y: String,
    pub(super) label: String,
}

/// A month with its figures.
struct Month {
    start: NaiveDate,
    human: i64,
    machine: i64,
    ai_agent: i64,
    reported: i64,
    total: i64,
}

impl Chart {
    /// The bars of a monthly series whose last month still runs.
    pub(super) fn of_months(lang: Lang, id: &'static str, series: &DownloadSeries, target: Option<i64>) -> Chart {
        let month = |point: &minato_app::catalog::DownloadPoint| Month {
            start: point.start,
            human: point.human,
            machine: point.machine,
            ai_agent: point.ai_agent,
            reported: 0,
            total: point.total,
        };
        Chart::new(lang, id, &series.points.iter().map(month).collect::<Vec<_>>(), target)
    }

    /// The bars of the figures that the target is for: counted here and reported, closed months as they were frozen. The last month still runs.
    pub(super) fn of_figures(lang: Lang, id: &'static str, figures: &[MonthFigures], target: Option<i64>) -> Chart {
        let month = |figures: &MonthFigures| Month {
            start: parse_month(&figures.month).unwrap_or_default(),
            human: figures.human,
            machine: figures.machine,
            ai_agent: figures.ai_agent,
            reported: figures.total - figures.measured,
            total: figures.total,
        };
        Chart::new(lang, id, &figures.iter().map(month).collect::<Vec<_>>(), target)
    }

    fn new(lang: Lang, id: &'static str, months: &[Month], target: Option<i64>) -> Chart {
        let highest = months.iter().map(|month| month.total).chain(target).max().unwrap_or(0);
        let step = nice_step(highest);
        let top = (highest.max(1) + step - 1) / step * step;
        #[allow(clippy::cast_precision_loss)]
        let y_of = |value: i64| TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - value as f64 / top as f64);
        #[allow(clippy::cast_precision_loss)]
        let slot = (WIDTH - LEFT - RIGHT) / months.len().max(1) as f64;
        let last = months.len().saturating_sub(1);
        let mut bars = Vec::with_capacity(months.len());
        for (index, point) in months.iter().enumerate() {
            #[allow(clippy::cast_precision_loss)]
            let x = LEFT + slot * (index as f64 + 0.15);
            let y = y_of(point.total);
            bars.push(Bar {
                x: coordinate(x),
                y: coordinate(y),
                width: coordinate(slot * 0.7),
                height: coordinate(HEIGHT - BOTTOM - y),
                middle: coordinate(x + slot * 0.35),
                label: match lang {
                    Lang::Ja => format!("{}月", point.start.month()),
                    Lang::En => point.start.format("%b").to_string(),
                },
                period: lang.month(point.start),
                total: number(point.total),
                human: number(point.human),
                machine: number(point.machine),
                ai_agent: number(point.ai_agent),
                reported: number(point.reported),
                open: index == last,
            });
        }
        let line = |value: i64| {
            let y = y_of(value);
            Line { y: coordinate(y), label_y: coordinate(y + 4.0), label: number(value) }
        };
        let lines = (0..=top / step).map(|n| line(n * step)).collect();
        let target_line = target.map(line);
        Chart {
            title: lang.t("月別ダウンロード数", "Downloads by month").to_owned(),
            summary: summary(lang, months, target),
            id,
            bars,
            lines,
            target: target_line,
            any_reported: months.iter().any(|month| month.reported > 0),
        }
    }
}

fn summary(lang: Lang, months: &[Month], target: Option<i64>) -> String {
    let complete = months.split_last().map_or(&[][..], |(_, complete)| complete);
    let total = number(months.iter().map(|month| month.total).sum());
    let reported: i64 = months.iter().map(|month| month.reported).sum();
    let mut text = match complete.iter().max_by_key(|point| point.total).filter(|point| point.total > 0) {
        Some(best) => match lang {
            Lang::Ja => {
                format!("{}か月の合計は{}件、最も多い月は{}の{}件です。", months.len(), total, lang.month(best.start), number(best.total))
            }
            Lang::En => {
                format!(
                    "{} downloads in {} months; the highest is {} with {}.",
                    total,
                    months.len(),
                    lang.month(best.start),
                    number(best.total)
                )
            }
        },
        None => match lang {
            Lang::Ja => format!("{}か月の合計は{total}件です。", months.len()),
            Lang::En => format!("{total} downloads in {} months.", months.len()),
        },
    };
    if reported > 0 {
        text.push_str(&match lang {
            Lang::Ja => format!("ほかのサイトから報告された{}件を含みます。", number(reported)),
            Lang::En => format!(" They include {} reported by other sites.", number(reported)),
        });
    }
    if let Some(target) = target {
        text.push_str(&match lang {
            Lang::Ja => format!("目標は月{}件です。", number(target)),
            Lang::En => format!(" The target is {} a month.", number(target)),
        });
    }
    text
}

/// 1, 2 or 5 times a power of ten, for four to eight lines at most.
fn nice_step(highest: i64) -> i64 {
    let mut power = 1;
    loop {
        for factor in [1, 2, 5] {
            if highest / (power * factor) < 5 {
                return power * factor;
            }
        }
        power *= 10;
    }
}

fn coordinate(value: f64) -> String {
    format!("{value:.1}")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use chrono::NaiveDate;
    use minato_app::catalog::{DownloadPoint, PeriodKind};

    pub(in super::super) fn series(totals: &[i64]) -> DownloadSeries {
        let points: Vec<_> = (0u32..)
            .zip(totals)
            .map(|(index, &total)| {
                let start = NaiveDate::from_ymd_opt(2026, index + 1, 1).unwrap();
                DownloadPoint {
                    period: start.format("%Y-%m").to_string(),
                    start,
                    human: total / 2,
                    machine: total - total / 2,
                    ai_agent: 0,
                    total,
                    unique_files: 0,
                    unique_datasets: 0,
                }
            })
            .collect();
        DownloadSeries { period: PeriodKind::Month, total: totals.iter().sum(), points, method_version: 2, methods: Vec::new() }
    }

    #[test]
    fn bars_stand_on_the_ground_and_reach_their_value() {
        let chart = Chart::of_months(Lang::Ja, "c", &series(&[0, 10_000, 40_000]), Some(33_000));
        let ground = HEIGHT - BOTTOM;
        for bar in &chart.bars {
            assert_eq!(bar.y.parse::<f64>().unwrap() + bar.height.parse::<f64>().unwrap(), ground);
        }
        assert_eq!((chart.bars[0].height.as_str(), chart.bars[2].y.as_str()), ("0.0", "22.0"));
        assert_eq!(chart.lines.last().unwrap().label, "40,000");
        assert_eq!(chart.target.unwrap().label, "33,000");
        assert!(chart.summary.contains("最も多い月は2026年2月の10,000件"), "{}", chart.summary);
    }

    #[test]
    fn bars_beside_a_target_hold_what_the_target_is_for() {
        let figures = |month: &str, measured: i64, total: i64| MonthFigures {
            month: month.to_owned(),
            human: measured,
            machine: 0,
            ai_agent: 0,
            measured,
            unique_files: 0,
            unique_datasets: 0,
            reported: Vec::new(),
            total,
            legacy: Vec::new(),
            robots: 0,
            method_version: 2,
            closed: None,
        };
        let chart = Chart::of_figures(Lang::Ja, "c", &[figures("2026-10", 27_000, 33_120), figures("2026-11", 5, 5)], Some(33_000));
        assert_eq!(
            (chart.bars[0].total.as_str(), chart.bars[0].human.as_str(), chart.bars[0].reported.as_str()),
            ("33,120", "27,000", "6,120")
        );
        assert!(chart.any_reported && chart.summary.contains("報告された6,120件を含みます"), "{}", chart.summary);
        assert!(!Chart::of_figures(Lang::En, "c", &[figures("2026-10", 5, 5)], None).any_reported);
    }

    #[test]
    fn nothing_counted_yet_is_no_error() {
        for totals in [&[][..], &[0][..], &[0, 0][..]] {
            let chart = Chart::of_months(Lang::En, "c", &series(totals), None);
            assert_eq!(chart.bars.len(), totals.len());
            assert_eq!(chart.lines[0].label, "0");
        }
    }

    #[test]
    fn steps_are_round() {
        assert_eq!([0, 4, 5, 33_000, 99_999, 1_000_000].map(nice_step), [1, 1, 2, 10_000, 20_000, 500_000]);
    }
}
