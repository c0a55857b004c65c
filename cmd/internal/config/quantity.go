package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// ParseSize reads a number of octets: "0", "1500", "500k", "25M", "2 GiB".
// Letters alone are powers of 1024, as in ls -h; "kB", "MB" of 1000.
func ParseSize(text string) (int64, error) {
	trimmed := strings.TrimSpace(text)
	if n := len(trimmed); n > 1 && strings.ContainsAny(trimmed[n-1:], "kKmMgGtT") {
		trimmed += "iB"
	}
	n, err := humanize.ParseBytes(trimmed)
	if err != nil || n > math.MaxInt64 || strings.HasPrefix(trimmed, "-") {
		return 0, fmt.Errorf("%.40q is not a size such as 500k, 25M or 0", text)
	}
	return int64(n), nil
}

// ParseAge reads a duration that may also be in days, weeks or years: "30d",
// "2w", "1y", "36h".
func ParseAge(text string) (time.Duration, error) {
	units := map[byte]time.Duration{'d': 24 * time.Hour, 'w': 7 * 24 * time.Hour, 'y': 365 * 24 * time.Hour}
	if n := len(text); n > 1 && units[text[n-1]] > 0 {
		count, err := strconv.ParseUint(text[:n-1], 10, 15)
		if age := time.Duration(count) * units[text[n-1]]; err == nil && age >= 0 {
			return age, nil
		}
	} else if age, err := time.ParseDuration(text); err == nil && age >= 0 {
		return age, nil
	}
	return 0, fmt.Errorf("%.40q is not a time span such as 30d, 2w or 36h", text)
}

// ParsePercent reads "80%"; "" is 0.
func ParsePercent(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	digits, found := strings.CutSuffix(text, "%")
	n, err := strconv.Atoi(digits)
	if !found || err != nil || n < 1 || n > 100 {
		return 0, fmt.Errorf("%.40q is not a share such as 80%%", text)
	}
	return n, nil
}
