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

// otelVariables are OpenTelemetry's own variables. Its libraries read them too, and
// discard what they can't use. They do so silently, or repeat secrets, or die of it,
// so they are checked here first.
type otelVariables struct {
	getenv func(string) string
	// discarded is told which variables hold what can't be used, and why.
	discarded func(name, reason string)
}

func (v otelVariables) get(name string) string { return strings.TrimSpace(v.getenv(name)) }

// effective returns the variable for traces, or else the one for all signals, and
// its value.
func (v otelVariables) effective(suffix string) (name, value string) {
	name = "OTEL_EXPORTER_OTLP_TRACES_" + suffix
	if value = v.get(name); value != "" {
		return name, value
	}
	name = "OTEL_EXPORTER_OTLP_" + suffix
	return name, v.get(name)
}

// wantsTraces reports whether an exporter or an endpoint is named, and nothing
// switches traces off.
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

// check fails where no exporter can be made, and reports what is discarded.
func (v otelVariables) check() error {
	exporter := cmp.Or(v.getenv("OTEL_TRACES_EXPORTER"), "otlp")
	switch exporter {
	case "otlp":
		if err := v.checkOTLP(); err != nil {
			return err
		}
	case "console":
	default:
		return fmt.Errorf("OTEL_TRACES_EXPORTER: %q is none of otlp, console, none", exporter)
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
		return fmt.Errorf("%s: %q is none of grpc, http/protobuf", name, protocol)
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
			v.discarded(signal+"HEADERS", "an entry of it is not key=value; that one is left out")
		}
		v.checkFiles(signal)
	}
	return nil
}

// isEndpoint reports whether spans can be sent there, as far as can be told without
// trying. Over gRPC a target of another form may be one.
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

// isPortOf reports whether a URL has no port, or one that exists.
func isPortOf(u *url.URL) bool {
	return settings.IsPort(cmp.Or(u.Port(), "80"))
}

// isPairs reports whether text is a list of key=value, escaped as URLs are.
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
			v.discarded(signal+name, "it can't be read: "+wrong.Err.Error()) // the path may be what was to be in the file
		}
		return content
	}
	if authorities := read("CERTIFICATE"); authorities != nil && !x509.NewCertPool().AppendCertsFromPEM(authorities) {
		v.discarded(signal+"CERTIFICATE", "there is no certificate in that file")
	}
	certificate, key := read("CLIENT_CERTIFICATE"), read("CLIENT_KEY")
	if certificate == nil && key == nil {
		return
	}
	if _, err := tls.X509KeyPair(certificate, key); err != nil {
		v.discarded(signal+"CLIENT_CERTIFICATE", "with the key it is no pair: "+err.Error())
	}
}

func (v otelVariables) checkSampler() {
	sampler := strings.ToLower(v.get("OTEL_TRACES_SAMPLER"))
	switch sampler {
	case "", "always_on", "always_off", "parentbased_always_on", "parentbased_always_off":
	case "traceidratio", "parentbased_traceidratio":
		text := cmp.Or(v.get("OTEL_TRACES_SAMPLER_ARG"), "1")
		if ratio, err := strconv.ParseFloat(text, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
			v.discarded("OTEL_TRACES_SAMPLER_ARG", "it is no number from 0 to 1")
		}
	default:
		v.discarded("OTEL_TRACES_SAMPLER", "there is no such sampler")
	}
}

// isTrue reads a boolean, of which only true is true.
func (v otelVariables) isTrue(name string) bool {
	value := v.get(name)
	if value != "" && !strings.EqualFold(value, "true") && !strings.EqualFold(value, "false") {
		v.discarded(name, "it is neither true nor false")
	}
	return strings.EqualFold(value, "true")
}

// integer reads a number, and returns fallback where it is none or out of range.
func (v otelVariables) integer(name string, fallback, least, most int) int {
	value := v.get(name)
	if value == "" {
		return fallback
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		v.discarded(name, fmt.Sprintf("it is no integer from %d to %d", least, most))
		return fallback
	}
	return n
}

// maxQueuedSpans bounds what waits to be exported.
const maxQueuedSpans = 1 << 16

// batching are the options of the queue of spans. They are all given, as the library
// panics, or never rests, with some values of the variables.
func (v otelVariables) batching() []tracesdk.BatchSpanProcessorOption {
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

// resource describes the process to whoever reads the traces.
func (v otelVariables) resource(ctx context.Context) *resource.Resource {
	options := []resource.Option{
		resource.WithTelemetrySDK(), resource.WithHost(),
		// What the variables say wins over what stands in front of them.
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
	described, _ := resource.New(ctx, options...) // with an error it lacks what could not be found out
	return described
}
