package config

import "testing"

func TestSchedules(t *testing.T) {
	for name, c := range map[string]struct {
		schedule string
		ok       bool
	}{
		"one minute":                       {"rate(1 minute)", true},
		"two minutes":                      {"rate(2 minutes)", true},
		"one hour":                         {"rate(1 hour)", true},
		"seven days":                       {"rate(7 days)", true},
		"one minutes":                      {"rate(1 minutes)", false},
		"two minute":                       {"rate(2 minute)", false},
		"eleven minute":                    {"rate(11 minute)", false},
		"no minutes":                       {"rate(0 minutes)", false},
		"a leading zero":                   {"rate(05 minutes)", false},
		"a fraction":                       {"rate(1.5 hours)", false},
		"seconds":                          {"rate(30 seconds)", false},
		"two spaces":                       {"rate(5  minutes)", false},
		"space around":                     {" rate(5 minutes)", false},
		"a bare cron line":                 {"0 10 * * ? *", false},
		"ten o'clock each day":             {"cron(0 10 * * ? *)", true},
		"twelve fifteen each day":          {"cron(15 12 * * ? *)", true},
		"evenings of weekdays":             {"cron(0 18 ? * MON-FRI *)", true},
		"the first of each month":          {"cron(0 8 1 * ? *)", true},
		"each 15 minutes":                  {"cron(0/15 * * * ? *)", true},
		"each 10 minutes on weekdays":      {"cron(0/10 * ? * MON-FRI *)", true},
		"each 5 minutes in office hours":   {"cron(0/5 8-17 ? * MON-FRI *)", true},
		"several hours and months":         {"cron(0 6,12,18 1 JAN,APR,7-9 ? *)", true},
		"the last day of the month":        {"cron(0 0 L * ? *)", true},
		"the weekday nearest to the third": {"cron(0 0 3W * ? *)", true},
		"the second Tuesday":               {"cron(0 0 ? * 3#2 *)", true},
		"the last Friday":                  {"cron(0 0 ? * 6L *)", true},
		"one year only":                    {"cron(0 0 1 1 ? 2030-2032)", true},
		"five fields":                      {"cron(0 10 * * ?)", false},
		"seven fields":                     {"cron(0 0 10 * * ? *)", false},
		"no question mark":                 {"cron(0 10 * * * *)", false},
		"two question marks":               {"cron(0 10 ? * ? *)", false},
		"a question mark for the hour":     {"cron(0 ? * * ? *)", false},
		"minute 60":                        {"cron(60 10 * * ? *)", false},
		"hour 24":                          {"cron(0 24 * * ? *)", false},
		"day 32":                           {"cron(0 0 32 * ? *)", false},
		"day 0":                            {"cron(0 0 0 * ? *)", false},
		"month 13":                         {"cron(0 0 1 13 ? *)", false},
		"a month that doesn't exist":       {"cron(0 0 1 MAI ? *)", false},
		"day of the week 0":                {"cron(0 0 ? * 0 *)", false},
		"the sixth Tuesday":                {"cron(0 0 ? * 3#6 *)", false},
		"two counted days":                 {"cron(0 0 ? * 3#1,6#3 *)", false},
		"a range backwards":                {"cron(0 17-8 * * ? *)", false},
		"a step of zero":                   {"cron(0/0 * * * ? *)", false},
		"a step of nothing":                {"cron(0/ * * * ? *)", false},
		"year 1969":                        {"cron(0 0 1 1 ? 1969)", false},
		"a negative minute":                {"cron(-1 0 1 1 ? *)", false},
		"an empty list element":            {"cron(0,,1 0 1 1 ? *)", false},
		"nothing":                          {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			if fault := scheduleFault(c.schedule); (fault == "") != c.ok {
				t.Fatalf("%q: %q", c.schedule, fault)
			}
		})
	}
}
