"""A report's verdict in a marketer's words: the sentence first, the figures after it."""

from __future__ import annotations

from campaigns.results.campaign import CampaignResult


def verdict(result: CampaignResult) -> tuple[str, str]:
    """(headline, explanation) of what the campaign caused."""
    told, control, lift = result.caused.told, result.caused.control, result.caused.lift
    event = result.goal.event
    if result.wave is None:
        return "Nothing was planned yet", "The report begins when the campaign goes out."
    if control.n == 0 and told.n:
        return (
            "Nobody was held out",
            "Without a control this report can say what was attributed to clicks, not what the campaign caused.",
        )
    if result.verdict == "bad_ratio":
        return (
            "No verdict: the two groups do not have the sizes they should",
            "Told and held out are drawn by a fixed hash; sizes this far off mean that something removed people from "
            "one group only. Find that first: any comparison would mislead.",
        )
    if result.verdict == "too_few":
        return "Too few to say", f"Still missing: {'; '.join(result.caused.missing)}."
    if lift is None:
        return "Too few to say", "One of the groups has no conversion at all."
    low, high = lift.incremental_interval
    sentence = (
        f"Of {told.conversions:,} told people with “{event}”, about {round(lift.incremental):,} "
        f"did it because of this campaign (between {round(low):,} and {round(high):,})."
    )
    if result.verdict == "preliminary":
        return "Preliminary: the time to convert is still running", sentence
    return {
        "up": ("It worked", sentence),
        "down": ("It did harm", sentence),
        "open": ("No clear effect", f"{sentence} The interval holds zero: it may have caused nothing."),
    }[result.verdict]


def opt_outs(result: CampaignResult) -> str:
    """What the campaign cost in opt-outs, held against those who were left alone."""
    told, control = result.opt_outs.told, result.opt_outs.control
    counted = f"{told.conversions:,} of {told.n:,} told people left within 24 hours ({told.rate:.2%})"
    if result.lost_permission:
        counted += f", {result.lost_permission:,} of them by forbidding notifications in their browser or phone"
    if not control.n:
        return f"{counted}; nobody was held out to compare with."
    compared = f"{counted}, against {control.rate:.2%} of those held out. "
    return (
        compared
        + {
            "PASS": "The campaign did not raise opt-outs by more than a quarter.",
            "FAIL": "The campaign raised opt-outs: send fewer, or to fewer.",
            "INCONCLUSIVE": "Too few opt-outs to say whether the campaign raised them.",
        }[result.opt_out_verdict]
    )
