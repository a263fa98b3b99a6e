package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Reading is a metric that is read when somebody asks for it, from who knows it.
type Reading struct {
	// Name is without the prefix scopegate_. The names of counters end in _total.
	Name, Help string
	// Labels tell readings of one name apart.
	Labels prometheus.Labels
	// Counter tells that the value never falls.
	Counter bool
	// Value must be safe for concurrent use, and must not block.
	Value func() float64
}

// Register registers readings with r. It panics where one is registered already.
func Register(r prometheus.Registerer, readings ...Reading) {
	for _, reading := range readings {
		name := namespace + "_" + reading.Name
		if reading.Counter {
			r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
				Name: name, Help: reading.Help, ConstLabels: reading.Labels,
			}, reading.Value))
			continue
		}
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: name, Help: reading.Help, ConstLabels: reading.Labels,
		}, reading.Value))
	}
}

// namespace begins the name of each metric.
const namespace = "scopegate"

func newCounter(r prometheus.Registerer, name, help string) prometheus.Counter {
	return register(r, prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}))
}

func newVec(r prometheus.Registerer, name, help string, labels ...string) *prometheus.CounterVec {
	return register(r, prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels))
}

func newHistogram(r prometheus.Registerer, name, help string, buckets []float64) prometheus.Histogram {
	return register(r, prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help, Buckets: buckets,
	}))
}

func newHistogramVec(
	r prometheus.Registerer, name, help string, buckets []float64, labels ...string,
) *prometheus.HistogramVec {
	return register(r, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help, Buckets: buckets,
	}, labels))
}

func register[C prometheus.Collector](r prometheus.Registerer, c C) C {
	r.MustRegister(c)
	return c
}
