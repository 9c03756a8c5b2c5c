//! Indicators of the plan: computed by rule or entered by hand, against targets; months that are closed; outlook and what changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{Days, Months, NaiveDate};
use minato_catalog::{
    ClientClass, Dataset, DatasetScope, DownloadChange, FieldError, HarvestSource, Indicator, IndicatorMonth, IndicatorRule, IndicatorYear,
    MonthFigures, OrganizationKind, Outlook, ReportKind, ReportedFigure, Restatement, YearValue, fiscal_year_label, jst_day, parse_month,
    standard_datasets,
};
use minato_counter::METHOD_VERSION;
use minato_store::dataset::{self, DatasetFilter, Order, Scope};
use minato_store::statistics::{self, Grain, SumFilter};
use minato_store::{AnyConnection, download, harvest, indicator};
use uuid::Uuid;

use crate::App;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::noun::admin_only;
use crate::report::month_text;

/// Datasets read at once to see which are of a scope.
const SCOPE_PAGE: i64 = 200;

impl App {
    /// The figures of the months from one to another, both included, oldest first; closed months as they were frozen.
    pub fn month_figures(&self, from: NaiveDate, to: NaiveDate) -> Result<Vec<MonthFigures>> {
        Ok(self.store().read_at_once(|conn| month_figures(conn, from, to, true))?)
    }

    /// Freezes the figures of a month that is over. For system administrators.
    pub fn close_month(&self, context: &Context, month: &str) -> Result<MonthFigures> {
        admin_only(&context.viewer)?;
        let first = self.month_that_is_over(month)?;
        let now = self.now();
        let figures = self.store().write_beside_counts::<_, Error>(|conn| {
            if indicator::closed_months(conn, month, month)?.contains_key(month) {
                return Err(Error::Conflict(FieldError::new(
                    "/month",
                    "closed",
                    format!("{month} は締め切り済みです。数を改めるときは訂正（restate）をしてください。"),
                    format!("{month} is closed already; restate it to replace its figures"),
                )));
            }
            let figures = MonthFigures { closed: Some(now), ..live_month(conn, first)? };
            if !context.dry_run {
                indicator::close_month(conn, &figures, &context.viewer.name, now)?;
            }
            Ok(figures)
        })?;
        self.after_statistics();
        Ok(figures)
    }

    /// Replaces the frozen figures of a closed month with those of now, and writes down why. For system administrators.
    pub fn restate_month(&self, context: &Context, month: &str, reason: &str) -> Result<MonthFigures> {
        admin_only(&context.viewer)?;
        self.month_that_is_over(month)?;
        let actor = &context.viewer.name;
        let figures = self.store().write_beside_counts::<_, Error>(|conn| {
            if context.dry_run {
                let first = parse_month(month).unwrap_or_default();
                return Ok(live_month(conn, first)?);
            }
            self.restate_in(conn, month, reason, actor)
        })?;
        self.after_statistics();
        Ok(figures)
    }

    /// Restates a closed month within a transaction.
    pub(crate) fn restate_in(&self, conn: &mut AnyConnection, month: &str, reason: &str, actor: &str) -> Result<MonthFigures> {
        let reason = reason.trim();
        check_reason(reason)?;
        let Some(before) = indicator::closed_months(conn, month, month)?.remove(month) else {
            return Err(Error::Conflict(FieldError::new(
                "/month",
                "not_closed",
                format!("{month} は締め切られていないので、訂正は要りません。"),
                format!("{month} is not closed; there is nothing to restate"),
            )));
        };
        let now = self.now();
        let first = parse_month(month).unwrap_or_default();
        let after = MonthFigures { closed: Some(now), ..live_month(conn, first)? };
        indicator::close_month(conn, &after, actor, now)?;
        let note = Restatement {
            month: month.to_owned(),
            reason: reason.to_owned(),
            before,
            after: after.clone(),
            actor: actor.to_owned(),
            at: now,
        };
        indicator::note_restatement(conn, &note)?;
        Ok(after)
    }

    /// The restatements, newest first.
    pub fn restatements(&self, limit: i64) -> Result<Vec<Restatement>> {
        Ok(self.store().read(|conn| indicator::restatements(conn, limit))?)
    }

    fn month_that_is_over(&self, month: &str) -> Result<NaiveDate> {
        let Some(first) = parse_month(month).filter(|first| chrono::Datelike::year(first) >= crate::report::YEAR_MIN) else {
            return Err(Error::invalid(FieldError::new(
                "/month",
                "invalid_month",
                "月は 2026-11 の形にしてください。",
                "the month must be written as 2026-11",
            )));
        };
        if month_text(self.today()).as_str() <= month {
            return Err(Error::invalid(FieldError::new(
                "/month",
                "not_over",
                format!("{month} はまだ終わっていません。"),
                format!("{month} is not over yet"),
            )));
        }
        Ok(first)
    }

    /// All indicators in the order of the report.
    pub fn indicators(&self) -> Result<Vec<Indicator>> {
        Ok(self.store().read(indicator::indicators)?)
    }

    /// The rules that say which datasets an indicator is over.
    pub fn scopes(&self) -> Result<Vec<DatasetScope>> {
        Ok(self.store().read(indicator::scopes)?)
    }

    /// Adds or replaces an indicator. For system administrators.
    pub fn save_indicator(&self, context: &Context, value: Indicator) -> Result<Indicator> {
        admin_only(&context.viewer)?;
        let mut errors = value.check();
        let scopes = self.scopes()?;
        if let Some(scope) = value.scope.as_ref().filter(|scope| scopes.iter().all(|known| known.id != **scope)) {
            let known: Vec<&str> = scopes.iter().map(|scope| scope.id.as_str()).collect();
            errors.push(FieldError::unknown_value("/scope", scope, &known.join(", ")));
        }
        if !errors.is_empty() {
            return Err(Error::Invalid(errors));
        }
        if !context.dry_run {
            self.store().write::<_, Error>(|conn| Ok(indicator::save_indicator(conn, &value)?))?;
            self.after_statistics();
        }
        Ok(value)
    }

    /// Adds or replaces a scope. For system administrators.
    pub fn save_scope(&self, context: &Context, value: DatasetScope) -> Result<DatasetScope> {
        admin_only(&context.viewer)?;
        if value.id.is_empty() || value.id.len() > 60 || !value.id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(Error::invalid(FieldError::new(
                "/id",
                "invalid_id",
                "/id は半角英数字と _ で 60 文字以内にしてください。",
                "/id must be 1 to 60 of letters, digits and _",
            )));
        }
        if value.any.is_empty() || value.any.len() > 50 {
            return Err(Error::invalid(FieldError::new(
                "/any",
                "required",
                "/any に条件を 1～50 個書いてください。",
                "/any must have 1 to 50 conditions",
            )));
        }
        if !context.dry_run {
            self.store().write::<_, Error>(|conn| Ok(indicator::save_scope(conn, &value)?))?;
            self.after_statistics();
        }
        Ok(value)
    }

    /// Sets the target of an indicator for a fiscal year. For system administrators.
    pub fn set_indicator_target(&self, context: &Context, id: &str, year: i32, baseline: Option<i64>, target: i64) -> Result<()> {
        admin_only(&context.viewer)?;
        self.indicator(id)?;
        if !(1900..=9000).contains(&year) || target < 0 || baseline.is_some_and(|baseline| baseline < 0) {
            return Err(Error::invalid(FieldError::new(
                "/target",
                "out_of_range",
                "年度は西暦 4 桁、目標と策定時の値は 0 以上の整数にしてください。",
                "the fiscal year must be a year such as 2026, target and baseline 0 or more",
            )));
        }
        if !context.dry_run {
            self.store().write::<_, Error>(|conn| Ok(indicator::set_target(conn, id, year, baseline, target)?))?;
            self.after_statistics();
        }
        Ok(())
    }

    /// Enters the value of an indicator for a month. For system administrators, and only where no rule gives it.
    pub fn enter_value(&self, context: &Context, id: &str, month: &str, value: f64, note: &str) -> Result<()> {
        admin_only(&context.viewer)?;
        let found = self.indicator(id)?;
        if found.rule != IndicatorRule::Entered {
            return Err(Error::Conflict(FieldError::new(
                "",
                "computed",
                format!("「{}」は自動で計算されるため、入力できません。", found.title),
                format!("`{}` is computed and cannot be entered", found.title_en),
            )));
        }
        let first = parse_month(month).filter(|first| *first <= self.today());
        if first.is_none() || !value.is_finite() || !(0.0..=1e12).contains(&value) || note.chars().count() > 500 {
            return Err(Error::invalid(FieldError::new(
                "/value",
                "out_of_range",
                "月は今月までの 2026-11 の形、値は 0 以上の数、備考は 500 文字以内にしてください。",
                "the month must be written as 2026-11 and not be in the future, the value 0 or more, the note at most 500 characters",
            )));
        }
        if !context.dry_run {
            let (actor, now) = (&context.viewer.name, self.now());
            self.store().write::<_, Error>(|conn| Ok(indicator::set_value(conn, id, month, value, note, actor, now)?))?;
            self.after_statistics();
        }
        Ok(())
    }

    pub(crate) fn indicator(&self, id: &str) -> Result<Indicator> {
        self.indicators()?.into_iter().find(|indicator| indicator.id == id).ok_or_else(|| Error::not_found("indicator", id))
    }

    /// All indicators in a fiscal year.
    pub fn indicator_years(&self, year: i32) -> Result<Vec<IndicatorYear>> {
        self.indicators()?.into_iter().map(|indicator| self.indicator_year(indicator, year)).collect()
    }

    /// An indicator in a fiscal year.
    pub fn indicator_year(&self, indicator: Indicator, year: i32) -> Result<IndicatorYear> {
        let (start, end) = year_bounds(year)?;
        let today = self.today();
        let running = month_text(today);
        let months: Vec<IndicatorMonth> = if indicator.rule == IndicatorRule::DownloadsPerMonth {
            let figures = self.month_figures(start, end.min(today))?;
            let first = figures.iter().position(|month| month.total > 0).unwrap_or(figures.len());
            #[allow(clippy::cast_precision_loss)]
            let month = |figures: &MonthFigures| IndicatorMonth {
                month: figures.month.clone(),
                value: figures.total as f64,
                complete: figures.month < running,
                closed: figures.closed.is_some(),
            };
            figures[first..].iter().map(month).collect()
        } else {
            let (values, closed) = self.store().read(|conn| {
                let (from, to) = (month_text(start), month_text(end));
                Ok((indicator::values(conn, &indicator.id, &from, &to)?, indicator::closed_months(conn, &from, &to)?))
            })?;
            let mut values = values;
            if indicator.rule != IndicatorRule::Entered && start <= today && today <= end {
                values.insert(running.clone(), self.computed_value(&indicator)?);
            }
            let month = |(month, value): (String, f64)| IndicatorMonth {
                complete: month < running,
                closed: closed.contains_key(&month),
                month,
                value,
            };
            values.into_iter().map(month).collect()
        };
        let value = year_value(indicator.year_value, &months);
        let target = self.store().read(|conn| indicator::target(conn, &indicator.id, year))?;
        let (baseline, target) = target.map_or((None, None), |(baseline, target)| (baseline, Some(target)));
        #[allow(clippy::cast_precision_loss)]
        let percent = value.zip(target).filter(|(_, target)| *target > 0).map(|(value, target)| value / target as f64 * 100.0);
        let before = match self
            .store()
            .read(|conn| indicator::values(conn, &indicator.id, &month_text(start - Months::new(12)), &month_text(start - Days::new(1))))?
        {
            values if values.is_empty() => None,
            values => values.values().last().copied(),
        };
        let (achievement, achievement_en) = achievement(value, target, before, end < today, indicator.year_value);
        Ok(IndicatorYear {
            fiscal_year: year,
            fiscal_year_label: fiscal_year_label(year),
            value,
            months,
            baseline,
            target,
            percent,
            achievement: achievement.to_owned(),
            achievement_en: achievement_en.to_owned(),
            rule_version: indicator.rule.version(),
            indicator,
        })
    }

    /// What the rule of an indicator gives now.
    fn computed_value(&self, indicator: &Indicator) -> Result<f64> {
        let generation = self.generation();
        let key = format!("{:?} {:?}", indicator.rule, indicator.scope);
        if let Some((at, value)) = self.0.indicator_values.get(&key)
            && at == generation
        {
            return Ok(value);
        }
        let value = self.compute(indicator)?;
        self.0.indicator_values.insert(key, (generation, value));
        Ok(value)
    }

    #[allow(clippy::cast_precision_loss)]
    fn compute(&self, indicator: &Indicator) -> Result<f64> {
        let directory = self.directory();
        let municipality = |dataset: &Dataset| {
            let organization = directory.organization(dataset.content.organization_id);
            organization.is_some_and(|organization| organization.draft.kind == OrganizationKind::Municipality)
        };
        let scope = indicator.scope.as_deref();
        Ok(match indicator.rule {
            IndicatorRule::DatasetsPublished if scope.is_none() => {
                self.store().read(|conn| dataset::count(conn, &DatasetFilter { scope: Scope::Public, ..DatasetFilter::default() }))? as f64
            }
            IndicatorRule::DatasetsPublished => {
                let mut count = 0;
                self.each_of_scope(scope, |_| count += 1)?;
                count as f64
            }
            IndicatorRule::MunicipalitiesPublishing => {
                let mut publishing: BTreeSet<Uuid> = BTreeSet::new();
                self.each_of_scope(scope, |dataset| {
                    if municipality(dataset) {
                        publishing.insert(dataset.content.organization_id);
                    }
                })?;
                publishing.len() as f64
            }
            IndicatorRule::StandardDatasetCoverage => {
                let mut covered: BTreeSet<(Uuid, String)> = BTreeSet::new();
                self.each_of_scope(scope, |dataset| {
                    if let Some(standard) = dataset.content.standard_dataset.as_ref().filter(|_| municipality(dataset)) {
                        covered.insert((dataset.content.organization_id, standard.clone()));
                    }
                })?;
                let municipalities = directory
                    .organizations()
                    .iter()
                    .filter(|organization| organization.draft.kind == OrganizationKind::Municipality)
                    .count();
                percent(covered.len(), municipalities * standard_datasets().len())
            }
            IndicatorRule::Freshness => {
                let today = self.today();
                let (mut fresh, mut due) = (0, 0);
                self.each_of_scope(scope, |dataset| {
                    let Some(days) = dataset.content.accrual_periodicity.as_deref().and_then(days_of_frequency) else { return };
                    due += 1;
                    // Half a period of grace: yearly data of March are out by summer.
                    if (today - jst_day(dataset.content.modified)).num_days() <= days + days / 2 {
                        fresh += 1;
                    }
                })?;
                percent(fresh, due)
            }
            IndicatorRule::DownloadsPerMonth | IndicatorRule::Entered => 0.0,
        })
    }

    /// Calls back with each dataset of a scope that everybody may see; of all of them without one. A page at a time is in memory.
    pub fn each_of_scope(&self, scope: Option<&str>, mut call: impl FnMut(&Dataset)) -> Result<()> {
        let scope = match scope {
            None => None,
            Some(id) => {
                Some(self.scopes()?.into_iter().find(|scope| scope.id == id).ok_or_else(|| Error::not_found("scope", id.to_owned()))?)
            }
        };
        let sources: HashMap<Uuid, String> = match scope {
            None => HashMap::new(),
            Some(_) => self.store().read(harvest::all)?.into_iter().map(|source: HarvestSource| (source.id, source.draft.slug)).collect(),
        };
        let directory = self.directory();
        let mut filter = DatasetFilter { scope: Scope::Public, order: Order::Slug, limit: SCOPE_PAGE, ..DatasetFilter::default() };
        loop {
            let page = self.store().read(|conn| dataset::list(conn, &filter))?;
            for dataset in &page.items {
                let organization = directory.organization(dataset.content.organization_id).map(Arc::as_ref);
                let source =
                    dataset.content.provenance.as_ref().and_then(|provenance| sources.get(&provenance.source_id)).map(String::as_str);
                if scope.as_ref().is_none_or(|scope| scope.has(dataset, organization, source)) {
                    call(dataset);
                }
            }
            match page.next_cursor {
                Some(cursor) => filter.after = Some(cursor),
                None => return Ok(()),
            }
        }
    }

    /// Keeps what the rules give for the month that runs; at its end the last value stays. By housekeeping.
    pub(crate) fn note_indicators(&self) -> Result<()> {
        let (month, now) = (month_text(self.today()), self.now());
        let computed = |indicator: &Indicator| !matches!(indicator.rule, IndicatorRule::Entered | IndicatorRule::DownloadsPerMonth);
        for indicator in self.indicators()?.into_iter().filter(computed) {
            let value = self.computed_value(&indicator)?;
            let known = self.store().read(|conn| indicator::values(conn, &indicator.id, &month, &month))?;
            if known.get(&month) != Some(&value) {
                self.store().tally(|conn| indicator::set_value(conn, &indicator.id, &month, value, "", "system", now))?;
            }
        }
        Ok(())
    }

    /// What the downloads of a fiscal year come to, and what changed against the year before.
    #[allow(clippy::cast_precision_loss)]
    pub fn outlook(&self, year: i32) -> Result<Outlook> {
        let (start, end) = year_bounds(year)?;
        let (before_start, before_end) = year_bounds(year - 1)?;
        let running = month_text(self.today());
        let complete = |from: NaiveDate, to: NaiveDate| -> Result<Vec<MonthFigures>> {
            let mut months = self.month_figures(from, to.min(self.today()))?;
            months.retain(|month| month.month < running);
            let first = months.iter().position(|month| month.total > 0).unwrap_or(months.len());
            Ok(months.split_off(first))
        };
        let (this, before) = (complete(start, end)?, complete(before_start, before_end)?);
        let mean = |months: &[MonthFigures], of: &dyn Fn(&MonthFigures) -> i64| {
            (!months.is_empty()).then(|| months.iter().map(of).sum::<i64>() as f64 / months.len() as f64)
        };
        let total = |month: &MonthFigures| month.total;
        let recent = &this[this.len().saturating_sub(3)..];
        let (mean_so_far, recent_mean) = (mean(&this, &total), mean(recent, &total));
        // Months before the first figure are none of this portal's; the mean goes over the others.
        let first = this.first().and_then(|month| parse_month(&month.month)).unwrap_or(start);
        let months = f64::from(i32::try_from(months_between(first, end) + 1).unwrap_or(12));
        let done = this.len() as f64;
        let left = if end < self.today() { 0.0 } else { (months - done).max(0.0) };
        let forecast = recent_mean.zip(mean_so_far).map(|(recent, so_far)| (so_far * done + recent * left) / (done + left));
        let target =
            self.store().read(|conn| indicator::target(conn, crate::statistics::DOWNLOADS_PER_MONTH, year))?.map(|(_, target)| target);
        let needed_per_month = target.filter(|_| left > 0.0).map(|target| {
            let so_far = mean_so_far.unwrap_or(0.0) * done;
            ((target as f64 * (done + left) - so_far) / left).max(0.0)
        });
        let change = if this.is_empty() || before.is_empty() {
            None
        } else {
            let used = |from: NaiveDate, to: NaiveDate| -> Result<f64> {
                let filter = SumFilter { from, to: to.min(self.today()), ..SumFilter::default() };
                Ok(self.store().read_at_once(|conn| statistics::by_dataset(conn, &filter))?.values().filter(|sums| sums.total > 0).count()
                    as f64)
            };
            Some(change(&before, &this, [used(before_start, before_end)?, used(start, end)?]))
        };
        Ok(Outlook { fiscal_year: year, mean_so_far, recent_mean, forecast, target, needed_per_month, change })
    }

    /// Answers that were kept of statistics are stale.
    pub(crate) fn after_statistics(&self) {
        self.0.generation.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
    }
}

/// What a reason for restating a month must be.
pub(crate) fn check_reason(reason: &str) -> Result<()> {
    if reason.is_empty() || reason.chars().count() > 500 {
        return Err(Error::invalid(FieldError::new(
            "/reason",
            "required",
            "/reason に訂正の理由を 500 文字以内で書いてください。",
            "/reason must say in at most 500 characters why the month is restated",
        )));
    }
    Ok(())
}

/// A change of means in parts that add up to it. Use is datasets times downloads of each; the two parts are taken at the middle of the other.
#[allow(clippy::cast_precision_loss)]
fn change(before: &[MonthFigures], after: &[MonthFigures], datasets: [f64; 2]) -> DownloadChange {
    let mean =
        |months: &[MonthFigures], of: &dyn Fn(&MonthFigures) -> i64| months.iter().map(of).sum::<i64>() as f64 / months.len().max(1) as f64;
    let reported = |month: &MonthFigures| month.reported.iter().map(|figure| figure.total).sum::<i64>();
    let (total_before, total_after) = (mean(before, &|month| month.total), mean(after, &|month| month.total));
    let (measured_before, measured_after) = (mean(before, &|month| month.measured), mean(after, &|month| month.measured));
    // Months that were counted in both ways say how much the new way finds of the old; without any, nothing is ascribed to it.
    let both: Vec<&MonthFigures> = before.iter().chain(after).filter(|month| !month.legacy.is_empty() && month.measured > 0).collect();
    let legacy: i64 = both.iter().flat_map(|month| &month.legacy).map(|figure| figure.total).sum();
    let measured: i64 = both.iter().map(|month| month.measured).sum();
    // Only where the year before was counted the old way alone.
    let old_only = before.iter().all(|month| month.measured == 0 && !month.legacy.is_empty());
    let base = if old_only { mean(before, &|month| month.legacy.iter().map(|figure| figure.total).sum()) } else { measured_before };
    let method = if old_only && legacy > 0 { base * (measured as f64 / legacy as f64 - 1.0) } else { 0.0 };
    let start = base + method;
    let (use_before, use_after) = (ratio(start, datasets[0]), ratio(measured_after, datasets[1]));
    let more_datasets =
        if datasets[0] > 0.0 { (datasets[1] - datasets[0]) * (use_before + use_after) / 2.0 } else { measured_after - start };
    DownloadChange {
        before: if old_only { total_before + base } else { total_before },
        after: total_after,
        more_datasets,
        more_use: measured_after - start - more_datasets,
        method,
        reported: mean(after, &reported) - mean(before, &reported),
        robots_left_out: mean(after, &|month| month.robots),
        datasets,
    }
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[allow(clippy::cast_precision_loss)]
fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64 * 1000.0).round() / 10.0 }
}

fn year_value(kind: YearValue, months: &[IndicatorMonth]) -> Option<f64> {
    match kind {
        YearValue::Mean => {
            let complete: Vec<f64> = months.iter().filter(|month| month.complete).map(|month| month.value).collect();
            #[allow(clippy::cast_precision_loss)]
            let mean = (!complete.is_empty()).then(|| complete.iter().sum::<f64>() / complete.len() as f64);
            mean
        }
        YearValue::Sum => (!months.is_empty()).then(|| months.iter().map(|month| month.value).sum()),
        YearValue::Last => months.last().map(|month| month.value),
    }
}

/// In the words of the yearly report.
#[allow(clippy::cast_precision_loss)]
fn achievement(value: Option<f64>, target: Option<i64>, before: Option<f64>, over: bool, kind: YearValue) -> (&'static str, &'static str) {
    let Some(target) = target.map(|target| target as f64) else { return ("", "") };
    match value {
        Some(value) if value >= target && kind == YearValue::Last && before.is_some_and(|before| before >= target) => {
            ("（達成済）", "met before")
        }
        Some(value) if value >= target && (over || kind != YearValue::Mean) => ("達成", "met"),
        _ if over => ("未達成", "not met"),
        _ => ("継続中", "going on"),
    }
}

fn days_of_frequency(id: &str) -> Option<i64> {
    Some(match id {
        "continuous" | "hourly" | "daily" => 1,
        "weekly" => 7,
        "biweekly" | "semimonthly" => 15,
        "monthly" => 31,
        "bimonthly" => 62,
        "quarterly" => 92,
        "triannual" => 122,
        "semiannual" => 184,
        "annual" => 366,
        "biennial" => 731,
        "triennial" => 1_096,
        "quinquennial" => 1_827,
        "decennial" => 3_653,
        _ => return None,
    })
}

fn months_between(from: NaiveDate, to: NaiveDate) -> i64 {
    use chrono::Datelike;
    i64::from(to.year() - from.year()) * 12 + i64::from(to.month()) - i64::from(from.month())
}

pub(crate) fn year_bounds(year: i32) -> Result<(NaiveDate, NaiveDate)> {
    match (NaiveDate::from_ymd_opt(year, 4, 1), NaiveDate::from_ymd_opt(year.saturating_add(1), 3, 31)) {
        // The first year that may be asked for is compared with the one before.
        (Some(start), Some(end)) if (1899..=9000).contains(&year) => Ok((start, end)),
        _ => Err(Error::invalid(FieldError::new(
            "/fiscal_year",
            "out_of_range",
            "fiscal_year は西暦 4 桁の年度にしてください（例: 2026）。",
            "fiscal_year must be a year such as 2026",
        ))),
    }
}

fn live_month(conn: &mut AnyConnection, first: NaiveDate) -> minato_store::Result<MonthFigures> {
    let figures = month_figures(conn, first, first, false)?;
    Ok(figures.into_iter().next().unwrap_or_else(|| empty(month_text(first))))
}

fn empty(month: String) -> MonthFigures {
    MonthFigures {
        month,
        human: 0,
        machine: 0,
        ai_agent: 0,
        measured: 0,
        unique_files: 0,
        unique_datasets: 0,
        reported: Vec::new(),
        total: 0,
        legacy: Vec::new(),
        robots: 0,
        method_version: METHOD_VERSION,
        closed: None,
    }
}

fn month_figures(conn: &mut AnyConnection, from: NaiveDate, to: NaiveDate, frozen: bool) -> minato_store::Result<Vec<MonthFigures>> {
    let first = chrono::Datelike::with_day(&from, 1).unwrap_or(from);
    let last = chrono::Datelike::with_day(&to, 1)
        .and_then(|day| day.checked_add_months(Months::new(1)))
        .and_then(|day| day.pred_opt())
        .unwrap_or(to);
    let mut months: BTreeMap<String, MonthFigures> = BTreeMap::new();
    let mut day = first;
    while day <= last {
        months.insert(month_text(day), empty(month_text(day)));
        day = match day.checked_add_months(Months::new(1)) {
            Some(next) => next,
            None => break,
        };
    }
    let filter = SumFilter { from: first, to: last, ..SumFilter::default() };
    for sum in statistics::series(conn, &filter, Grain::Month)? {
        let Some(month) = months.get_mut(&month_text(sum.start)) else { continue };
        match sum.class {
            ClientClass::Human => month.human += sum.sums.total,
            ClientClass::Machine => month.machine += sum.sums.total,
            ClientClass::AiAgent => month.ai_agent += sum.sums.total,
            ClientClass::Robot => continue,
        }
        month.measured += sum.sums.total;
        month.unique_files += sum.sums.unique_files;
        month.unique_datasets += sum.sums.unique_datasets;
    }
    let kinds: HashMap<String, ReportKind> = indicator::report_sources(conn)?.into_iter().map(|source| (source.id, source.kind)).collect();
    for report in indicator::reports(conn, &month_text(first), &month_text(last))? {
        let Some(month) = months.get_mut(&report.month) else { continue };
        let list = match kinds.get(&report.source) {
            Some(ReportKind::Legacy) => &mut month.legacy,
            _ => &mut month.reported,
        };
        match list.iter_mut().find(|figure| figure.source == report.source) {
            Some(figure) => figure.total += report.total,
            None => list.push(ReportedFigure { source: report.source, total: report.total }),
        }
    }
    let methods = download::methods(conn)?;
    let robots = download::excluded_by_month(conn, "download", first, last)?;
    for (name, month) in &mut months {
        month.total = month.measured + month.reported.iter().map(|figure| figure.total).sum::<i64>();
        month.robots = robots.get(name).copied().unwrap_or(0);
        let in_use = methods.iter().rev().find(|(_, first_day)| month_text(*first_day) <= *name);
        month.method_version = in_use.or(methods.first()).map_or(METHOD_VERSION, |(version, _)| *version);
    }
    if frozen {
        months.extend(indicator::closed_months(conn, &month_text(first), &month_text(last))?);
    }
    Ok(months.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(measured: i64, reported: i64, legacy: i64) -> MonthFigures {
        let figures = |total: i64| if total > 0 { vec![ReportedFigure { source: "s".to_owned(), total }] } else { Vec::new() };
        MonthFigures {
            measured,
            reported: figures(reported),
            legacy: figures(legacy),
            total: measured + reported,
            ..empty("2026-04".to_owned())
        }
    }

    #[test]
    fn the_parts_of_a_change_add_up() {
        for (before, after, datasets) in [
            (vec![month(100, 10, 0)], vec![month(150, 5, 0), month(250, 5, 0)], [10.0, 12.0]),
            (vec![month(100, 0, 0)], vec![month(50, 0, 0)], [10.0, 10.0]),
            (vec![month(0, 0, 300)], vec![month(200, 0, 250), month(180, 0, 0)], [0.0, 12.0]),
            (vec![month(0, 0, 300)], vec![month(200, 0, 250)], [12.0, 12.0]),
        ] {
            let change = change(&before, &after, datasets);
            let parts = change.more_datasets + change.more_use + change.method + change.reported;
            assert!((change.after - change.before - parts).abs() < 1e-6, "{change:?}");
        }
    }

    #[test]
    fn the_words_of_the_report() {
        for (value, target, before, over, kind, expected) in [
            (Some(34_000.0), Some(33_000), None, true, YearValue::Mean, "達成"),
            (Some(34_000.0), Some(33_000), None, false, YearValue::Mean, "継続中"),
            (Some(30_000.0), Some(33_000), None, true, YearValue::Mean, "未達成"),
            (Some(23.0), Some(23), Some(23.0), true, YearValue::Last, "（達成済）"),
            (Some(23.0), Some(23), Some(8.0), false, YearValue::Last, "達成"),
            (None, Some(23), None, true, YearValue::Sum, "未達成"),
            (Some(5.0), None, None, true, YearValue::Sum, ""),
        ] {
            assert_eq!(achievement(value, target, before, over, kind).0, expected, "{value:?} {target:?} {before:?}");
        }
    }
}
