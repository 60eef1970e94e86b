"""How it gets there: the ledger, the gates, the gateways. Imports audiences only.

To know what happens when a worker dies at any line, read these, in this order, a quarter of an hour:
`dispatch` (the whole chain), `outbox` (claim), `gates/judge` and `gates/checks`, `intent` (the promise before each POST),
`sender`, `gateways/posting`, `recording`, `sweeper`, `suspects`.

The rest by what it is for:
- whose turn it is: `tasks`, `hints`, `lanes`
- what may not go yet: `holds`, `waiting`, `throttle`, `rhythm`, `pacing`
- what an answer means: `gateways/outcomes_*`, `doubts`, `attempts`, `learning`, `losses`, `restore`
- with what: `routes`, `credentials`, `credential_trial`, `gateways/access`
- what is sent: `content`, `brought`, `limits`, `links`, `payload`, `parcel`
- who asks and who looks: `submission`, `message_ids`, `arms`, `foresight`, `tally`, `receipts`
- bytes on the wire: `http`, `addresses`, `wire/`
"""
