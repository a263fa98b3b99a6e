package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	tracesdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
)

// otelVariables are OpenTelemetry's own variables. They are checked here before its
// libraries read them: those ignore invalid values silently, repeat secrets, or panic.
type otelVariables struct {
	getenv func(string) string
	// discarded is called for each variable whose value is ignored.
	discarded func(name, reason string)
}

func (v otelVariables) get(name string) string { return strings.TrimSpace(v.getenv(name)) }

// effective returns the variable for traces if it is set, and otherwise the one for all
// signals.
func (v otelVariables) effective(suffix string) (name, value string) {
	name = "OTEL_EXPORTER_OTLP_TRACES_" + suffix
	if value = v.get(name); value != "" {
		return name, value
	}
	name = "OTEL_EXPORTER_OTLP_" + suffix
	return name, v.get(name)
}

// wantsTraces reports whether the variables name an exporter or an endpoint and do not
// disable traces.
func (v otelVariables) wantsTraces() bool {
	if v.isTrue("OTEL_SDK_DISABLED") {
		return false
	}
	if exporter := v.getenv("OTEL_TRACES_EXPORTER"); exporter != "" {
		return !strings.EqualFold(exporter, "none")
	}
	_, endpoint := v.effective("ENDPOINT")
	return endpoint != ""
}

// check fails if no exporter can be made. It reports the variables that are discarded.
func (v otelVariables) check() error {
	exporter := cmp.Or(v.getenv("OTEL_TRACES_EXPORTER"), "otlp")
	switch exporter {
	case "otlp":
		if err := v.checkOTLP(); err != nil {
			return err
		}
	case "console":
	default:
		return fmt.Errorf("OTEL_TRACES_EXPORTER: %q is not otlp, console or none", exporter)
	}
	v.checkSampler()
	for _, name := range []string{
		"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT",
		"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_SPAN_EVENT_COUNT_LIMIT",
		"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "OTEL_SPAN_LINK_COUNT_LIMIT", "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
	} {
		v.integer(name, 0, -1<<31, 1<<31-1)
	}
	return nil
}

func (v otelVariables) checkOTLP() error {
	name, protocol := v.effective("PROTOCOL")
	if !slices.Contains([]string{"", "grpc", "http/protobuf"}, protocol) {
		return fmt.Errorf("%s: %q is not grpc or http/protobuf", name, protocol)
	}
	name, endpoint := v.effective("ENDPOINT")
	if endpoint != "" && !isEndpoint(endpoint, protocol == "grpc") {
		return fmt.Errorf("%s: it is not http://host:port or https://host:port", name)
	}
	for _, signal := range []string{"OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_"} {
		v.integer(signal+"TIMEOUT", 0, 0, 1<<31-1)
		v.isTrue(signal + "INSECURE")
		if compression := v.get(signal + "COMPRESSION"); !slices.Contains([]string{"", "gzip", "none"}, compression) {
			v.discarded(signal+"COMPRESSION", "it is neither gzip nor none")
		}
		if headers := v.get(signal + "HEADERS"); headers != "" && !isPairs(headers) {
			v.discarded(signal+"HEADERS", "an entry is not key=value; the others are used")
		}
		v.checkFiles(signal)
	}
	return nil
}

// isEndpoint reports whether endpoint has a valid form. gRPC has further forms, which are
// not checked.
func isEndpoint(endpoint string, overGRPC bool) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return overGRPC
	}
	return u.Hostname() != "" && isPortOf(u)
}

// isPortOf reports whether a URL has no port or a valid one.
func isPortOf(u *url.URL) bool {
	return settings.IsPort(cmp.Or(u.Port(), "80"))
}

// isPairs reports whether text is a list of key=value pairs, escaped like URLs.
func isPairs(text string) bool {
	for pair := range strings.SplitSeq(text, ",") {
		key, value, found := strings.Cut(pair, "=")
		key = strings.TrimSpace(key)
		if _, err := url.PathUnescape(strings.TrimSpace(value)); err != nil || !found || key == "" || strings.Contains(key, " ") {
			return false
		}
	}
	return true
}

func (v otelVariables) checkFiles(signal string) {
	read := func(name string) []byte {
		path := v.get(signal + name)
		if path == "" {
			return nil
		}
		content, err := os.ReadFile(path)
		if wrong, ok := errors.AsType[*fs.PathError](err); ok {
			v.discarded(signal+name, "it can't be read: "+wrong.Err.Error()) // without the path, which may be the secret itself
		}
		return content
	}
	if authorities := read("CERTIFICATE"); authorities != nil && !x509.NewCertPool().AppendCertsFromPEM(authorities) {
		v.discarded(signal+"CERTIFICATE", "the file has no certificate")
	}
	certificate, key := read("CLIENT_CERTIFICATE"), read("CLIENT_KEY")
	if certificate == nil && key == nil {
		return
	}
	if _, err := tls.X509KeyPair(certificate, key); err != nil {
		v.discarded(signal+"CLIENT_CERTIFICATE", "certificate and key do not match: "+err.Error())
	}
}

func (v otelVariables) checkSampler() {
	sampler := strings.ToLower(v.get("OTEL_TRACES_SAMPLER"))
	switch sampler {
	case "", "always_on", "always_off", "parentbased_always_on", "parentbased_always_off":
	case "traceidratio", "parentbased_traceidratio":
		text := cmp.Or(v.get("OTEL_TRACES_SAMPLER_ARG"), "1")
		if ratio, err := strconv.ParseFloat(text, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
			v.discarded("OTEL_TRACES_SAMPLER_ARG", "it is not a number from 0 to 1")
		}
	default:
		v.discarded("OTEL_TRACES_SAMPLER", "there is no such sampler")
	}
}

// isTrue reports whether a variable is true.
func (v otelVariables) isTrue(name string) bool {
	value := v.get(name)
	if value != "" && !strings.EqualFold(value, "true") && !strings.EqualFold(value, "false") {
		v.discarded(name, "it is neither true nor false")
	}
	return strings.EqualFold(value, "true")
}

// integer returns a variable's number, or fallback if it is not one from least to most.
func (v otelVariables) integer(name string, fallback, least, most int) int {
	value := v.get(name)
	if value == "" {
		return fallback
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		v.discarded(name, fmt.Sprintf("it is not an integer from %d to %d", least, most))
		return fallback
	}
	return n
}

// batching returns the options of the queue of spans. It sets all of them, because some
// values of the variables make the library panic or spin.
func (v otelVariables) batching() []tracesdk.BatchSpanProcessorOption {
	const maxQueuedSpans = 1 << 16
	milliseconds := func(name string, fallback int) time.Duration {
		return time.Duration(v.integer(name, fallback, 1, 1<<31-1)) * time.Millisecond
	}
	queue := v.integer("OTEL_BSP_MAX_QUEUE_SIZE", tracesdk.DefaultMaxQueueSize, 1, maxQueuedSpans)
	batch := v.integer("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", tracesdk.DefaultMaxExportBatchSize, 1, maxQueuedSpans)
	return []tracesdk.BatchSpanProcessorOption{
		tracesdk.WithMaxQueueSize(queue),
		tracesdk.WithMaxExportBatchSize(min(batch, queue)),
		tracesdk.WithBatchTimeout(milliseconds("OTEL_BSP_SCHEDULE_DELAY", tracesdk.DefaultScheduleDelay)),
		tracesdk.WithExportTimeout(milliseconds("OTEL_BSP_EXPORT_TIMEOUT", tracesdk.DefaultExportTimeout)),
	}
}

// resource describes the process in its traces.
func (v otelVariables) resource(ctx context.Context) *resource.Resource {
	options := []resource.Option{
		resource.WithTelemetrySDK(), resource.WithHost(),
		// The variables, which come later, override these.
		resource.WithAttributes(
			attribute.String("service.name", "scopegate"), attribute.String("service.version", thisBuild().version)),
	}
	attributes := v.get("OTEL_RESOURCE_ATTRIBUTES")
	switch service := v.get("OTEL_SERVICE_NAME"); {
	case attributes == "" || isPairs(attributes):
		options = append(options, resource.WithFromEnv())
	default:
		v.discarded("OTEL_RESOURCE_ATTRIBUTES", "it is not a list of key=value")
		if service != "" {
			options = append(options, resource.WithAttributes(attribute.String("service.name", service)))
		}
	}
	described, _ := resource.New(ctx, options...) // after an error, the attributes that were found
	return described
}
