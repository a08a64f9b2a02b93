package config

import "strconv"

// Tracing sends requests of the stage's application to AWS X-Ray.
type Tracing struct {
	// SampleRatio is the share of requests that are traced, 0–1; default 0.05 in production, where X-Ray's price counts, and 1
	// elsewhere. 0 leaves the collector out of the tasks. The local AWS has no X-Ray: there it is always 0.
	SampleRatio float64 `yaml:"sampleRatio"`
}

func fillTracing(t *Tracing, production bool, set map[string]bool, path string) {
	ratio := 1.0
	if production {
		ratio = 0.05
	}
	orDefault(set, path+".sampleRatio", &t.SampleRatio, ratio)
}

func (v *validator) tracing(path string, t Tracing) {
	v.want(t.SampleRatio >= 0 && t.SampleRatio <= 1, path+".sampleRatio", strconv.FormatFloat(t.SampleRatio, 'f', -1, 64),
		"0 to 1, such as 0.05 for one request in twenty; 0 traces nothing")
}
