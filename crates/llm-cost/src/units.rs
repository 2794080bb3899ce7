//! Everything that is billed by another unit than the token.

use llm_types::Usage;
use serde_json::Value;

use crate::{
    CostContext, Dollars, Kind, Quantity,
    cost::{Bill, GapReason},
};

/// Bills what is not tokens, and says whether that covers the tokens too.
pub(crate) fn bill(bill: &mut Bill<'_>, usage: &Usage, ask: &CostContext<'_>) -> bool {
    let tokens_priced = [Kind::Input, Kind::Output, Kind::OutputImageToken]
        .iter()
        .any(|kind| {
            bill.pricing
                .price(*kind, &bill.under)
                .is_some_and(|p| !p.is_zero())
        });
    let has_tokens = usage.prompt_tokens > 0 || usage.completion_tokens > 0;
    let mut covered = by_request(bill, usage, ask);
    covered |= by_input(bill, usage, ask);
    // Where the vendor both counts tokens and prices them, its other prices are only another way to say the same.
    if !(tokens_priced && has_tokens) {
        covered |= by_character(bill, usage, ask);
        covered |= by_second(bill, ask, has_tokens);
        covered |= by_image(bill, ask);
    }
    covered
}

/// Searches, requests, pages, messages: always on top of tokens. A fee per request does not stand for the tokens too.
fn by_request(bill: &mut Bill<'_>, usage: &Usage, ask: &CostContext<'_>) -> bool {
    let said = detail(usage, "query_count");
    let lines = [
        (Kind::Query, ask.queries.or(said).or(Some(1)), true),
        (Kind::Request, Some(1), false),
        (Kind::TextMessage, ask.text_messages, false),
        (Kind::Page, ask.pages, true),
        (Kind::AnnotatedPage, ask.annotated_pages, true),
        (Kind::OcrCredit, ask.credits, true),
    ];
    let mut covered = false;
    for (kind, count, covers) in lines {
        let Some(count) = count.filter(|count| *count > 0) else {
            continue;
        };
        covered |= line(bill, kind, None, Quantity::count(count)) && covers;
    }
    if ask.pages.is_none() && ask.credits.is_none() {
        asked_for(bill, &[Kind::Page, Kind::OcrCredit]);
    }
    covered
}

/// What came in besides text, for embeddings and early multimodal models.
fn by_input(bill: &mut Bill<'_>, usage: &Usage, ask: &CostContext<'_>) -> bool {
    let details = usage.prompt_tokens_details.as_ref();
    let seconds = |name: &str| details.and_then(|d| d.extra.get(name)?.as_f64());
    let image_tokens = details.is_some_and(|d| d.image_tokens > 0);
    let images = ask
        .input_images
        .or(detail(usage, "image_count"))
        .filter(|_| !image_tokens);
    let audio = seconds("audio_length_seconds");
    let video = seconds("video_length_seconds");
    let mut billed = false;
    if let Some(images) = images.filter(|images| *images > 0 && ask.images.is_none()) {
        billed |= line(bill, Kind::InputImage, None, Quantity::count(images));
    }
    if let Some(audio) = audio {
        billed |= line(
            bill,
            Kind::InputAudioSecond,
            None,
            Quantity::measured(audio),
        );
    }
    if let Some(video) = video {
        let interval = match video {
            v if v > 15.0 => Some("above_15s_interval"),
            v if v > 8.0 => Some("above_8s_interval"),
            _ => None,
        };
        billed |= line(
            bill,
            Kind::InputVideoSecond,
            interval,
            Quantity::measured(video),
        );
    }
    billed
}

fn by_character(bill: &mut Bill<'_>, usage: &Usage, ask: &CostContext<'_>) -> bool {
    let prompt = ask.prompt_characters.or(detail(usage, "character_count"));
    let sides = [
        (Kind::InputCharacter, prompt),
        (Kind::OutputCharacter, ask.completion_characters),
    ];
    let mut billed = false;
    for (kind, characters) in sides {
        match characters {
            Some(characters) => billed |= line(bill, kind, None, Quantity::count(characters)),
            None if kind == Kind::InputCharacter => asked_for(bill, &[kind]),
            None => {}
        }
    }
    billed
}

/// One of the prices by the second: vendors that list one for input and one for output mean the same second.
fn by_second(bill: &mut Bill<'_>, ask: &CostContext<'_>, has_tokens: bool) -> bool {
    const ALL: [Kind; 5] = [
        Kind::OutputVideoSecond,
        Kind::OutputSecond,
        Kind::OutputAudioSecond,
        Kind::InputSecond,
        Kind::Second,
    ];
    const MACHINE: [Kind; 3] = [Kind::Second, Kind::InputSecond, Kind::OutputSecond];
    let (seconds, kinds) = match (ask.seconds, ask.elapsed) {
        (Some(seconds), _) => (seconds, &ALL[..]),
        // How long the work took says nothing of how long a recording is: only text is billed by it.
        (None, Some(elapsed)) if has_tokens => (elapsed, &MACHINE[..]),
        (None, Some(elapsed)) => (elapsed, &MACHINE[..1]),
        (None, None) => (0.0, &[][..]),
    };
    let seconds = Quantity::measured(seconds);
    let Some((kind, price)) = first_price(bill, kinds, ask.resolution) else {
        match ALL.iter().find(|kind| bill.pricing.asks(**kind)) {
            Some(kind) if ask.seconds.is_some() => bill.gap(*kind, seconds, GapReason::NoPrice),
            Some(kind) => bill.gap(*kind, Quantity::ZERO, GapReason::UnknownQuantity),
            None => return by_machine(bill, ask),
        }
        return false;
    };
    bill.line(kind, seconds, price, kind);
    true
}

/// The first price of `kinds` that is not zero, else the first one.
fn first_price(bill: &Bill<'_>, kinds: &[Kind], size: Option<&str>) -> Option<(Kind, Dollars)> {
    let priced = |kind: &Kind| Some((*kind, bill.pricing.sized(*kind, size, &bill.under)?));
    let mut all = kinds.iter().filter_map(priced);
    all.clone()
        .find(|(_, price)| !price.is_zero())
        .or_else(|| all.next())
}

/// The vendor's usual machine, for models that no list has.
fn by_machine(bill: &mut Bill<'_>, ask: &CostContext<'_>) -> bool {
    let price = bill
        .habits
        .machine_second
        .filter(|_| !bill.pricing.is_known());
    match (price, ask.elapsed) {
        (Some(price), Some(elapsed)) => {
            bill.line(
                Kind::Second,
                Quantity::measured(elapsed),
                price,
                Kind::Second,
            );
            true
        }
        _ => false,
    }
}

/// By the image, else by its pixels.
fn by_image(bill: &mut Bill<'_>, ask: &CostContext<'_>) -> bool {
    const PRICES: [Kind; 4] = [
        Kind::OutputImage,
        Kind::InputImage,
        Kind::OutputPixel,
        Kind::InputPixel,
    ];
    let Some(images) = ask.images else {
        if ask.input_images.is_none() {
            asked_for(
                bill,
                &[Kind::OutputImage, Kind::OutputPixel, Kind::InputPixel],
            );
        }
        return false;
    };
    let longest = ask.image_size.map(|(w, h)| w.max(h).to_string());
    let class = ask.image_class.or(longest.as_deref());
    let pixels = ask.image_size.map(|(w, h)| {
        u64::from(w)
            .saturating_mul(u64::from(h))
            .saturating_mul(images)
    });
    let mut zero = false;
    for kind in PRICES {
        let Some(price) = bill.pricing.sized(kind, class, &bill.under) else {
            continue;
        };
        let by_pixel = matches!(kind, Kind::OutputPixel | Kind::InputPixel);
        let quantity = if by_pixel { pixels } else { Some(images) };
        match quantity {
            Some(_) if price.is_zero() => zero = true,
            Some(quantity) => {
                bill.line(kind, Quantity::count(quantity), price, kind);
                return true;
            }
            None => bill.gap(kind, Quantity::ZERO, GapReason::UnknownQuantity),
        }
    }
    zero
}

/// A line if there is a price, and whether there was.
fn line(bill: &mut Bill<'_>, kind: Kind, size: Option<&str>, quantity: Quantity) -> bool {
    let Some(price) = bill.pricing.sized(kind, size, &bill.under) else {
        return false;
    };
    bill.line(kind, quantity, price, kind);
    true
}

/// A gap if there is a non-zero price for one of `kinds` and nobody said how much there was of it.
fn asked_for(bill: &mut Bill<'_>, kinds: &[Kind]) {
    let asked = kinds.iter().find(|kind| bill.pricing.asks(**kind));
    if let Some(kind) = asked {
        bill.gap(*kind, Quantity::ZERO, GapReason::UnknownQuantity);
    }
}

/// A count that our normalised usage keeps beside the token counts.
fn detail(usage: &Usage, name: &str) -> Option<u64> {
    let details = usage.prompt_tokens_details.as_ref()?;
    details.extra.get(name).and_then(Value::as_u64)
}
