"""Times of requests. strptime would take half of what is refused here."""

from datetime import UTC, datetime

import pytest

from sigv4.timestamps import amz_date, parse_amz_date, parse_date_header, server_time

BIRTHDAY = datetime(2006, 3, 14, 9, 5, 7, tzinfo=UTC)


def test_parse_amz_date_reads_the_basic_form() -> None:
    assert parse_amz_date("20060314T090507Z") == BIRTHDAY


@pytest.mark.parametrize(
    "text",
    [
        "",
        "20060314T090507",
        "20060314T090507z",
        "20060314t090507Z",
        "20060314T090507Z\n",
        " 20060314T090507Z",
        "20060314T0905Z",
        "2006-03-14T09:05:07Z",
        "2006314T090507Z",
        "20060314T090507+0000",
        "20061314T090507Z",
        "20060230T090507Z",
        "20060314T090560Z",
        "00000314T090507Z",
        "200603\u0661\u0664T090507Z",
        "2006_314T090507Z",
    ],
)
def test_parse_amz_date_refuses(text: str) -> None:
    assert parse_amz_date(text) is None


@pytest.mark.parametrize("zone", ["GMT", "UTC", "+0000", "-0000"])
def test_parse_date_header_reads_http_dates_of_every_client(zone: str) -> None:
    assert parse_date_header(f"Tue, 14 Mar 2006 09:05:07 {zone}") == BIRTHDAY


def test_parse_date_header_reads_the_form_of_x_amz_date() -> None:
    assert parse_date_header("20060314T090507Z") == BIRTHDAY


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Tue, 14 Mar 2006 09:05:07",
        "Tue, 14 Mar 2006 09:05:07 GMT\n",
        "Tue, 14 Mar 2006 09:05:07 +0100",
        "Tue, 14 Mar 06 09:05:07 GMT",
        "Tue, 4 Mar 2006 09:05:07 GMT",
        "Tue, 30 Feb 2006 09:05:07 GMT",
        "Tue, 14 mar 2006 09:05:07 GMT",
        "14 Mar 2006 09:05:07 GMT",
        "Tue Mar 14 09:05:07 2006",
        "Tuesday, 14-Mar-06 09:05:07 GMT",
        "Tue, 14 Mar 2006 24:05:07 GMT",
        "Tue, 14 Mar 2006 0\u0669:05:07 GMT",
    ],
)
def test_parse_date_header_refuses(text: str) -> None:
    assert parse_date_header(text) is None


def test_times_are_written_as_signatures_and_as_error_documents_spell_them() -> None:
    assert (amz_date(BIRTHDAY), server_time(BIRTHDAY)) == (
        "20060314T090507Z",
        "2006-03-14T09:05:07Z",
    )
