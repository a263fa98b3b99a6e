{{- define "scopegate.name" -}}
{{- .Values.fullnameOverride | default .Release.Name | trunc 57 | trimSuffix "-" }}
{{- end }}

{{- define "scopegate.selectorLabels" -}}
app.kubernetes.io/name: scopegate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "scopegate.labels" -}}
{{ include "scopegate.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: scopegate
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "scopegate.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "scopegate.name" .) }}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{- define "scopegate.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Converts a quantity in Mi or Gi, the only units that the schema allows, to MiB. */ -}}
{{- define "scopegate.mib" -}}
{{- if hasSuffix "Gi" . -}}
{{ mul (trimSuffix "Gi" . | int) 1024 }}
{{- else -}}
{{ trimSuffix "Mi" . | int }}
{{- end }}
{{- end }}

{{- /* The intake's port, for the network policy. */ -}}
{{- define "scopegate.intakePort" -}}
{{- if .Values.intake.url -}}
{{- $url := urlParse .Values.intake.url -}}
{{- regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary "443" "80" (eq $url.scheme "https")) }}
{{- else if .Values.intake.apiKeySecret -}}
443
{{- else -}}
8126
{{- end }}
{{- end }}

{{- define "scopegate.settings" -}}
listen: 0.0.0.0:50051
{{- if .Values.tls.enabled }}
tls-cert: /etc/scopegate/tls/tls.crt
tls-key: /etc/scopegate/tls/tls.key
{{- if .Values.tls.clientCertificates }}
tls-client-ca: /etc/scopegate/tls/ca.crt
{{- end }}
{{- else }}
insecure-listen: true
{{- end }}
{{- if .Values.tenants.secret }}
tenants-file: /etc/scopegate/tenants/{{ .Values.tenants.secretKey }}
{{- end }}
{{- with .Values.intake.url }}
intake-url: {{ . | quote }}
{{- end }}
{{- if .Values.intake.apiKeySecret }}
api-key-file: /etc/scopegate/secrets/{{ .Values.intake.apiKeySecretKey }}
{{- end }}
# For metrics and health. To see the page and profiles, use kubectl port-forward.
admin-listen: 0.0.0.0:6060
{{- if .Values.spool.enabled }}
spool-dir: /var/spool/scopegate
spool-bytes: {{ include "scopegate.mib" .Values.spool.size }}MiB
{{- end }}
# Nine tenths of the container's limit, because the kernel counts more than the Go runtime.
memory-limit: {{ div (mul (include "scopegate.mib" .Values.resources.memory) 9) 10 }}MiB
shutdown-grace: {{ .Values.shutdownGraceSeconds }}s
{{- with .Values.settings }}
{{ toYaml . }}
{{- end }}
{{- end }}
