module otel-auto-assign/jaeger

go 1.25.0

tool github.com/jaegertracing/jaeger/cmd/jaeger

require github.com/jaegertracing/jaeger v1.76.0

// Jaeger's own go.mod has it; a replace holds for the main module alone, which is why `go install` refuses.
replace github.com/Shopify/sarama => github.com/Shopify/sarama v1.33.0
