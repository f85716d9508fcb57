/*
 * See exposition.h. The format: https://prometheus.io/docs/instrumenting/exposition_formats/
 */
#include "monitor/exposition.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

const char exposition_content_type[] = "text/plain; version=0.0.4; charset=utf-8";

static const char *const type_names[] = {
	[METRIC_COUNTER] = "counter",
	[METRIC_GAUGE] = "gauge",
	[METRIC_HISTOGRAM] = "histogram",
};

/* The shortest of the usual forms that reads back as the same number. */
static void append_number(struct text *text, double value)
{
	char buffer[40];

	if (value == trunc(value) && fabs(value) < 1e15) {
		snprintf(buffer, sizeof(buffer), "%.0f", value);
	} else {
		for (int digits = 15; digits <= 17; digits++) {
			double read;

			snprintf(buffer, sizeof(buffer), "%.*g", digits, value);
			if (sscanf(buffer, "%lf", &read) == 1 && read == value)
				break;
		}
	}
	text_append(text, buffer);
}

static void append_escaped(struct text *text, const char *value)
{
	for (; *value != '\0'; value++) {
		if (*value == '\n')
			text_append(text, "\\n");
		else if (*value == '"' || *value == '\\')
			text_appendf(text, "\\%c", *value);
		else
			text_append_bytes(text, value, 1);
	}
}

static void append_labels(struct text *text, const struct metric_label *labels)
{
	if (labels == NULL || labels->name == NULL)
		return;
	for (const struct metric_label *label = labels; label->name != NULL; label++) {
		text_appendf(text, "%s%s=\"", label == labels ? "{" : ",", label->name);
		append_escaped(text, label->value);
		text_append(text, "\"");
	}
	text_append(text, "}");
}

static void head(struct exposition *exposition)
{
	if (exposition->headed)
		return;
	exposition->headed = true;
	text_appendf(exposition->text, "# HELP %s %s\n# TYPE %s %s\n", exposition->name,
		     exposition->help, exposition->name, type_names[exposition->type]);
}

static void append_sample(struct exposition *exposition, const char *suffix,
			  const struct metric_label *labels, double value)
{
	head(exposition);
	text_append(exposition->text, exposition->name);
	text_append(exposition->text, suffix);
	append_labels(exposition->text, labels);
	text_append(exposition->text, " ");
	append_number(exposition->text, value);
	text_append(exposition->text, "\n");
}

void exposition_begin(struct exposition *exposition, const char *name, enum metric_type type,
		      const char *help)
{
	exposition->name = name;
	exposition->type = type;
	exposition->help = help;
	exposition->headed = false;
}

void exposition_sample(struct exposition *exposition, const struct metric_label *labels,
		       double value)
{
	append_sample(exposition, "", labels, value);
}

void exposition_sample_of(struct exposition *exposition, const char *label, const char *value,
			  double sample)
{
	const struct metric_label labels[] = { { label, value }, { NULL, NULL } };

	append_sample(exposition, "", labels, sample);
}

static void append_bucket(struct exposition *exposition, const char *bound, uint64_t count)
{
	const struct metric_label labels[] = { { "le", bound }, { NULL, NULL } };

	append_sample(exposition, "_bucket", labels, (double)count);
}

void exposition_histogram(struct exposition *exposition, const double *bounds,
			  const uint64_t *within, size_t most, uint64_t count, double sum)
{
	uint64_t up_to = 0;

	for (size_t i = 0; i < most && bounds[i] > 0; i++) {
		char bound[32];

		up_to += within[i];
		snprintf(bound, sizeof(bound), "%g", bounds[i]);
		append_bucket(exposition, bound, up_to);
	}
	append_bucket(exposition, "+Inf", count);
	append_sample(exposition, "_sum", NULL, sum);
	append_sample(exposition, "_count", NULL, (double)count);
}
