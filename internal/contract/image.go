package contract

// EnvImageRule tells the image resolver which scanned images may be deployed, as JSON.
const EnvImageRule = "SLIPWAY_IMAGE_RULE"
